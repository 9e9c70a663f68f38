"""The control socket's server: the API, metrics and probes of a running container, as HTTP and JSON.

Owns: the listeners, who may do what (`access`), and the words and shapes of answers. `http/` knows HTTP, not programs;
`resources/` has one module an endpoint or what several share, `metrics` is the Prometheus endpoint.
In: requests, and the container through the protocols in `api`. Out: answers, and requests to the container.
`router` lists every endpoint. The client is another package, `supervisor.client`; the two meet in docs/openapi.yaml.
"""
