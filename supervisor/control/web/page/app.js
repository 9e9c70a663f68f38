// The page: what is chosen, and drawing it again when something has changed.

import { access } from "./api.js";
import { prepareActions, showAccess, showActions } from "./actions.js";
import { Container, key } from "./container.js";
import { $, clock, el, setText, size, time } from "./dom.js";
import { draw, MARKS } from "./graph.js";
import { Logs } from "./logs.js";
import { drawStrip, showEvents } from "./timeline.js";
import { chart, minutes, percent, Usage } from "./usage.js";

const DRAW = 150; // milliseconds between two drawings, at least

let chosen = decodeURIComponent(location.hash.slice(1)) || null; // the name of a program, or null for all
let timer = null;
let drawn = "";

const container = new Container(() => redraw());
const usage = new Usage(container, () => redraw());
const logs = new Logs(container);

function redraw() {
  timer ??= setTimeout(() => { timer = null; show(); }, DRAW);
}

function choose(name) {
  chosen = name === chosen ? null : name;
  history.replaceState(null, "", chosen === null ? location.pathname : `#${encodeURIComponent(chosen)}`);
  show();
  if (chosen !== null && matchMedia("(max-width: 900px)").matches) $("detail").scrollIntoView();
}

function show() {
  showConnection();
  if (container.status === null) return;
  if (chosen !== null && !container.plan.some((program) => program.name === chosen)) chosen = null;
  showHead();
  showRows();
  showDetail();
  showGraph();
  showEvents(container, chosen);
  logs.choose(chosen === null ? [] : [chosen]);
}

function showConnection() {
  $("connection").hidden = container.connected || container.problem === "";
  setText($("connection"), container.connected ? "" : `${container.problem} Trying again …`);
  document.body.classList.toggle("stale", !container.connected);
}

function badge(text, kind) {
  return el("span", { class: `badge ${kind}` }, text);
}

function showHead() {
  const { status, programs } = container;
  const all = [...programs.values()];
  const down = container.reasons.size;
  const bad = all.filter((each) => container.mood(each) === "bad").length;
  document.title = `${bad > 0 ? `✕ ${bad} · ` : ""}${location.host} · supinit`;
  setText($("name"), location.host);
  const since = time((Date.now() - Date.parse(status.started_at)) / 1000);
  setText($("build"), `supinit ${status.version}${status.revision ? `, revision ${status.revision}` : ""}, up ${since}`);
  const badges = [
    status.stopping ? badge("stopping", "bad") : status.ready ? badge("ready", "ok") : badge("not ready", "busy"),
    status.healthy ? badge("healthy", "ok") : badge("not healthy", status.stopping ? "off" : "bad"),
    badge(down === 0 ? `all ${all.length} up` : `${down} of ${all.length} not up`, down === 0 ? "ok" : "off"),
  ];
  const words = badges.map((each) => each.textContent).join();
  if ($("summary").dataset.words !== words) $("summary").replaceChildren(...badges);
  $("summary").dataset.words = words;
}

function showRows() {
  setText($("history"), `Last ${minutes(container.span)}`);
  const rows = [...container.programs.values()].flatMap((program) => {
    const name = container.label(program);
    const kind = container.mood(program);
    const used = program.pid === null ? undefined : usage.now(key(program));
    const state = program.health === "unhealthy" ? "UNHEALTHY" : program.state;
    const reason = container.reasons.get(key(program));
    const short = brief(program, reason?.state === program.state ? reason : undefined);
    const row = el("tr", { class: program.name === chosen ? "chosen" : null, "data-program": name },
      el("th", { scope: "row" },
        el("button", { type: "button", class: "name", "aria-pressed": String(program.name === chosen), onclick: () => choose(program.name) }, name)),
      el("td", { class: `state ${kind}` }, el("span", { class: "mark", "aria-hidden": "true" }, MARKS[kind]), ` ${state}`),
      el("td", { class: "history" }, drawStrip(container.strips.get(key(program)) ?? [], container.span)),
      el("td", { class: "number" }, used === undefined ? "–" : percent(used[0])),
      el("td", { class: "number" }, used === undefined ? "–" : size(used[1])),
      el("td", { class: "number uptime" }, program.startedAt === null ? "–" : time((Date.now() - program.startedAt) / 1000)),
      el("td", { class: "number restarts" }, String(program.restarts)));
    return short ? [row, el("tr", { class: `reason ${row.className}` }, el("td", { colspan: 7 }, short))] : [row];
  });
  const focused = document.activeElement?.closest("#rows tr")?.dataset.program;
  $("rows").replaceChildren(...rows);
  if (focused !== undefined) rows.find((row) => row.dataset.program === focused)?.querySelector("button").focus();
}

function brief(program, reason) {
  if (program.next_run_at && program.state === "PENDING") return `next run ${clock(program.next_run_at)}`;
  if (program.state === "PENDING" && program.waiting_for.length > 0) return `waits for ${program.waiting_for.join(", ")}`;
  if (program.health === "unhealthy") return program.health_detail;
  if (reason === undefined) return program.rolling?.detail ?? program.status_text;
  return program.reason ?? (["STOPPED", "STARTING"].includes(program.state) ? null : reason.why);
}

function showDetail() {
  const entries = [...container.programs.values()].filter((each) => chosen === null || each.name === chosen);
  const program = chosen === null ? null : container.plan.find((each) => each.name === chosen);
  setText($("detail-title"), chosen ?? "All programs");
  showActions(program, entries);
  const reasons = entries.map((each) => container.reasons.get(key(each))).filter((each) => each !== undefined);
  const rolling = entries[0]?.rolling ? [`${entries[0].rolling.detail}.`] : [];
  setText($("why"), chosen === null ? total(reasons) : [...reasons.map((each) => each.why), ...rolling].join(" "));
  const lines = chosen === null ? [] : (reasons.find((each) => each.last_lines.length > 0)?.last_lines ?? []);
  $("last-lines").hidden = lines.length === 0;
  setText($("last-lines"), lines.join("\n"));
  showFacts(chosen === null ? [] : facts(entries));
  const wanted = (name) => chosen === null || name.slice(0, name.lastIndexOf(":")) === chosen;
  $("charts").replaceChildren(
    chart("CPU", usage.series(wanted, 0), percent, 1),
    chart("Memory", usage.series(wanted, 1), size, 1024 * 1024));
}

function total(reasons) {
  if (reasons.length === 0) return "Everything is up. Choose a program to see its details.";
  return `Not up: ${reasons.map((each) => container.label(each)).join(", ")}. Choose one to see why.`;
}

function facts(entries) {
  if (entries.length > 1) return entries.map((each) => [key(each), factsOf(each).map(([name, value]) => `${name} ${value}`).join(", ")]);
  return entries.flatMap(factsOf);
}

function factsOf(each) {
  const found = [];
  if (each.pid !== null) found.push(["pid", String(each.pid)]);
  const used = usage.now(key(each));
  if (each.pid !== null && used !== undefined) found.push(["processes", String(used[2])]);
  if (each.health !== "none") found.push(["health", each.health_detail ? `${each.health}: ${each.health_detail}` : each.health]);
  if (each.last_exit !== null) {
    const how = each.last_exit.signal ?? `code ${each.last_exit.code}`;
    found.push(["last exit", `${how}, ${clock(each.last_exit.at)}`]);
  }
  if (each.starts_again_at) found.push(["next start", clock(each.starts_again_at)]);
  if (each.next_run_at) found.push(["next run", new Date(each.next_run_at).toLocaleString()]);
  if (each.runs_skipped) found.push(["runs skipped", String(each.runs_skipped)]);
  if (each.sockets?.length) found.push(["sockets", each.sockets.map((socket) => socket.listen).join(", ")]);
  return found;
}

function showFacts(pairs) {
  $("facts").replaceChildren(...pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function showGraph() {
  const words = JSON.stringify([chosen, container.plan, [...container.programs.values()].map((each) => [each.name, each.state, each.health])]);
  if (words === drawn) return;
  drawn = words;
  const focused = document.activeElement?.closest?.("#drawing g")?.getAttribute("data-program");
  $("drawing").replaceChildren(draw(container, chosen, choose));
  if (focused) [...$("drawing").querySelectorAll("g")].find((node) => node.getAttribute("data-program") === focused)?.focus();
}

access.changed = () => { showAccess(); redraw(); };
$("only-warnings").addEventListener("change", () => redraw());
prepareActions(() => container.refresh());
showAccess();
container.follow();
usage.follow();
logs.follow();
setInterval(() => { if (!document.hidden) redraw(); }, 5000);
