"""The web page: its files, and the API for the browsers that show it.

Owns: who may ask what from a browser (`site`, `token`), and the page (`files`; `page/` has the HTML, CSS and scripts).
In: requests on the TCP listener of `supervisor.web`. Out: the page, and the API's own answers.
Nothing of it is loaded where the table has no such key, and before the first client comes.
"""
