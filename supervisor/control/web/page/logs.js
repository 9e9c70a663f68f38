// Output, live. Lines come much faster than anybody reads, so they are drawn four times a second, and only the last ones.

import { pause, Refused, stream } from "./api.js";
import { $, clock, el, setText } from "./dom.js";

const KEPT = 5000, SHOWN = 600, BEGIN = 200;
const TICK = 250; // milliseconds
const COLORS = /\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*(?:\x07|\x1b\\)/g;

export class Logs {
  #names = [];
  #lines = [];
  #fresh = 0;
  #isPaused = false;
  #abort = new AbortController();
  #timer = null;
  #state = "";

  constructor(container) {
    this.container = container;
    $("pause").addEventListener("click", () => this.#pause());
    $("clear").addEventListener("click", () => { this.#lines = []; this.#draw(true); });
    $("filter").addEventListener("input", () => this.#draw(true));
    $("stream").addEventListener("change", () => this.#draw(true));
    for (const event of ["visibilitychange", "pagehide"]) addEventListener(event, () => this.#abort.abort());
  }

  // Shows the output of these programs; none means all.
  choose(names) {
    if (names.join() === this.#names.join()) return;
    this.#names = names;
    this.#lines = [];
    this.#draw(true);
    this.#abort.abort();
  }

  async follow() {
    for (;;) {
      this.#abort = new AbortController();
      if (this.container.connected && !document.hidden) await this.#read();
      await pause(300);
    }
  }

  async #read() {
    const names = this.#names.map((name) => `&name=${encodeURIComponent(name)}`).join("");
    const last = this.#lines.at(-1)?.time;
    const from = last === undefined ? `n=${BEGIN}` : `since=${encodeURIComponent(last)}`;
    if (last !== undefined) this.#take([{ note: "interrupted: some lines may be missing or come twice", time: last }]);
    try {
      this.#say("live");
      await stream(`/v1/logs?follow=1&${from}${names}`, (lines) => this.#take(lines), this.#abort.signal);
      this.#say("interrupted");
    } catch (error) {
      this.#say(error instanceof Refused ? error.message : "interrupted");
      if (error instanceof Refused) await pause(2000);
    }
  }

  #say(state) {
    this.#state = state;
    this.#tell();
  }

  #tell() {
    const more = this.#isPaused && this.#fresh > 0 ? `, ${this.#fresh.toLocaleString()} new lines` : "";
    setText($("log-state"), `${this.#isPaused ? "paused" : this.#state}${more}`);
  }

  #take(lines) {
    this.#fresh += lines.length;
    for (const line of lines) this.#lines.push(line);
    if (this.#lines.length > 2 * KEPT) this.#lines.splice(0, this.#lines.length - KEPT);
    this.#timer ??= setTimeout(() => { this.#timer = null; this.#isPaused ? this.#tell() : this.#draw(false); }, TICK);
  }

  #pause() {
    this.#isPaused = !this.#isPaused;
    $("pause").setAttribute("aria-pressed", String(this.#isPaused));
    setText($("pause"), this.#isPaused ? "Go on" : "Pause");
    if (!this.#isPaused) this.#draw(true);
    this.#tell();
  }

  #draw(isAll) {
    const pane = $("lines");
    const isAtEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 30;
    const isWanted = this.#wanted();
    if (isAll) {
      pane.replaceChildren(...this.#lines.filter(isWanted).slice(-SHOWN).map((line) => this.#element(line)));
    } else {
      const fresh = this.#lines.slice(-Math.min(this.#fresh, SHOWN)).filter(isWanted);
      while (pane.childElementCount + fresh.length > SHOWN && pane.firstChild) pane.firstChild.remove();
      pane.append(...fresh.map((line) => this.#element(line)));
    }
    this.#fresh = 0;
    if (isAtEnd || isAll) pane.scrollTop = pane.scrollHeight;
    this.#tell();
  }

  #wanted() {
    const part = $("filter").value.toLowerCase(), only = $("stream").value;
    return (line) => (only === "" || line.stream === only) && (part === "" || text(line).toLowerCase().includes(part));
  }

  #element(line) {
    if (line.note) return el("div", { class: "note" }, line.note);
    const name = this.container.label({ name: line.program, instance: line.instance });
    return el("div", { class: line.stream },
      el("time", { datetime: line.time }, clock(line.time)), " ",
      this.#names.length === 1 && name === line.program ? null : el("b", {}, name), " ", text(line));
  }
}

function text(line) {
  if (line.note) return line.note;
  return line.data === undefined ? (line.message ?? "").replace(COLORS, "") : JSON.stringify(line.data);
}
