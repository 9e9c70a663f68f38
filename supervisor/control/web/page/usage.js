// CPU and memory of the last ten minutes. supinit measures only when it is asked, so the history is kept here: it begins
// when the page is opened, and survives a reload.

import { get, pause } from "./api.js";
import { clamp, HISTORY, key } from "./container.js";
import { el, size, svg } from "./dom.js";

const HIDDEN = 10000; // milliseconds between two measurements while nobody sees the page
const KEY = "supinit-usage";
const WIDTH = 400, HEIGHT = 90;

export class Usage {
  samples = []; // {at, by: {"name:instance": [CPU in percent, bytes, processes]}}, oldest first
  #count = 0;
  #last = new Map(); // by name:instance: [time, CPU seconds]

  constructor(container, changed) {
    this.container = container;
    this.changed = changed;
    addEventListener("pagehide", () => this.#save());
  }

  async follow() {
    for (let failures = 0; ; ) {
      let interval = 2000;
      if (this.container.connected) {
        try {
          interval = this.#take(await get("/v1/usage")) * 1000;
          failures = 0;
        } catch {
          failures += 1;
          if (failures >= 2) this.container.giveUp();
        }
      }
      await pause(document.hidden ? Math.max(interval, HIDDEN) : interval);
    }
  }

  // A sum over the instances for which `wanted` holds: [time, value] for each sample.
  series(wanted, place) {
    return this.samples.map(({ at, by }) => [
      at, Object.entries(by).reduce((sum, [name, values]) => sum + (wanted(name) ? values[place] : 0), 0),
    ]);
  }

  now(name) {
    return this.samples.at(-1)?.by[name];
  }

  #take(answer) {
    const at = Date.parse(answer.time);
    if (this.samples.length === 0) this.#restore();
    if (at <= (this.samples.at(-1)?.at ?? 0)) return answer.interval_seconds;
    const by = {};
    const last = new Map();
    for (const program of answer.programs) {
      const before = this.#last.get(key(program));
      const used = before === undefined ? 0 : program.cpu_seconds - before[1];
      const seconds = before === undefined ? 1 : (at - before[0]) / 1000;
      by[key(program)] = [(100 * (used < 0 ? program.cpu_seconds : used)) / seconds, program.memory_bytes, program.processes];
      last.set(key(program), [at, program.cpu_seconds]);
    }
    this.#last = last;
    this.#count += 1;
    if (this.#count === 1) return 1; // CPU time says something only from the second measurement on
    this.samples.push({ at, by });
    while (this.samples[0].at < at - HISTORY) this.samples.shift();
    this.changed();
    return answer.interval_seconds;
  }

  #save() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify([this.container.status.started_at, this.samples]));
    } catch {
      sessionStorage.removeItem(KEY); // too much of it
    }
  }

  #restore() {
    try {
      const [startedAt, samples] = JSON.parse(sessionStorage.getItem(KEY));
      if (startedAt === this.container.status.started_at) this.samples = samples;
    } catch {
      // there is none
    }
    sessionStorage.removeItem(KEY);
  }
}

// Draws one chart: up to ten minutes until now, from 0 to the highest value.
export function chart(title, points, show, floor) {
  const now = Date.now();
  const span = clamp(now - (points[0]?.[0] ?? now));
  const top = Math.max(floor, ...points.map(([, value]) => value)) * 1.1;
  const x = (at) => WIDTH * (1 - (now - at) / span);
  const y = (value) => HEIGHT - (HEIGHT * value) / top;
  const line = points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
  const current = points.at(-1)?.[1];
  const text = current === undefined ? "measuring" : show(current);
  const highest = points.length > 0 ? show(Math.max(...points.map(([, value]) => value))) : "";
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `${title} of the last ${minutes(span)}: now ${text}, at most ${highest}` });
  for (const part of [0.25, 0.5, 0.75]) {
    drawing.append(svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part }));
  }
  if (line.length > 0) {
    const first = line[0].split(",")[0], end = line.at(-1).split(",")[0];
    drawing.append(svg("path", { class: "area", d: `M${first},${HEIGHT} L${line.join(" L")} L${end},${HEIGHT} Z` }));
    drawing.append(svg("path", { class: "line", d: `M${line.join(" L")}` }));
  }
  return el("figure", {},
    el("figcaption", {}, title, " ", el("strong", {}, text), highest ? el("span", { class: "quiet" }, ` highest ${highest}`) : null),
    drawing,
    el("div", { class: "axis quiet", "aria-hidden": "true" }, el("span", {}, `${minutes(span)} ago`), el("span", {}, "now")));
}

export const minutes = (milliseconds) => `${Math.round(milliseconds / 60000)} min`;
export const percent = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
export { size };
