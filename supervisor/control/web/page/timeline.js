// The events, newest first, and the strip of states in a program's row.

import { $, clock, el, svg } from "./dom.js";

const KNOWN = new Set(["id", "time", "level", "event", "program", "instance", "state", "health", "last_lines"]);
const PLAIN = new Set(["reason", "detail", "hook"]); // values that need no name before them
const SHOWN = 200;
const LEVELS = { info: "·", warning: "!", error: "✕" };

const seconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;

// What has happened, in words; the events that come most have sentences of their own.
const SENTENCES = {
  "program.started": (event) => `started, pid ${event.pid}`,
  "program.became_ready": (event) => `ready after ${seconds(event.after_seconds)}`,
  "program.exited": (event) => `exited with ${event.signal ?? `code ${event.code}`} after ${seconds(event.ran_for)}${event.reason ? `: ${event.reason}` : ""}`,
  "program.restart_delayed": (event) => `starts again in ${seconds(event.seconds)}: ${event.reason}`,
  "program.failed": (event) => `failed for good: ${event.reason}`,
  "program.held_back": (event) => (event.waits_for ? `waits for ${event.waits_for.replaceAll(",", ", ")}` : `waits: ${event.reason}`),
  "program.stop_begun": (event) => `stopping: ${event.step}`,
  "control.asked": (event) => `${event.action} was asked for${event.peer ? ` from ${event.peer}` : ""}`,
};

function words(event) {
  if (event.event in SENTENCES) return ` ${SENTENCES[event.event](event)}`;
  const values = Object.entries(event).filter(([name]) => !KNOWN.has(name));
  const text = values.map(([name, value]) => (PLAIN.has(name) ? `${value}` : `${name.replaceAll("_", " ")} ${value}`)).join(", ");
  return ` ${event.event.split(".")[1].replaceAll("_", " ")}${text ? `: ${text}` : ""}`;
}

function item(event) {
  const who = event.program ?? event.event.split(".")[0];
  const name = event.instance === undefined ? who : `${who}:${event.instance}`;
  return el("li", { class: event.level, "data-id": event.id },
    el("time", { datetime: event.time, title: event.time }, clock(event.time)),
    el("span", { class: "level", title: event.level, "aria-label": event.level }, LEVELS[event.level]),
    el("span", { class: "text" }, el("b", {}, name), words(event)));
}

export function showEvents(container, name) {
  const list = $("timeline");
  const isWanted = (event) => (name === null || (event.program ?? "").split(",").includes(name)) && (!$("only-warnings").checked || event.level !== "info");
  const wanted = container.events.filter(isWanted).slice(-SHOWN).reverse();
  const there = new Map([...list.children].map((child) => [child.dataset.id, child]));
  list.replaceChildren(...wanted.map((event) => there.get(String(event.id)) ?? item(event)));
  if (wanted.length === 0) list.append(el("li", { class: "quiet" }, "Nothing has happened yet."));
}

export function drawStrip(strip, span) {
  const now = Date.now(), begin = now - span;
  const x = (at) => (600 * (Math.max(at, begin) - begin)) / span;
  const drawing = svg("svg", { class: "strip", viewBox: "0 0 600 14", preserveAspectRatio: "none", "aria-hidden": "true" });
  strip.forEach(([at, mood], number) => {
    const to = strip[number + 1]?.[0] ?? now;
    if (to > begin) drawing.append(svg("rect", { class: mood, x: x(at), y: 0, width: Math.max(2, x(to) - x(at)), height: 14 }));
  });
  return drawing;
}
