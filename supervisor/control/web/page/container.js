// The container as this page knows it: one /v1/status, then the events. What events do not carry is asked for again,
// for the programs that have changed, at most once a second.

import { get, pause, Refused, stream } from "./api.js";

export const HISTORY = 10 * 60 * 1000; // milliseconds that the strips and charts go back
const SHORTEST = 60 * 1000;
const KEPT_EVENTS = 300;
const REFRESH = 1000;
const PATIENCE = [500, 1000, 2000, 4000];

// The milliseconds that are shown of a history of this length.
export const clamp = (length) => Math.min(HISTORY, Math.max(SHORTEST, length));

export const key = (program) => `${program.name}:${program.instance}`;

// What a person should think of a state: ok, busy, bad or off.
function mood(state, health, scheduled = false) {
  if (scheduled && state === "PENDING") return "done"; // it waits for its time
  if (state === "FATAL" || state === "BACKOFF" || health === "unhealthy") return "bad";
  if (state === "STOPPED") return "off";
  if (state === "EXITED") return "done";
  return state === "RUNNING" && health !== "starting" ? "ok" : "busy";
}

export class Container {
  status = null;
  plan = [];
  programs = new Map(); // by name:instance, in the order of the table
  reasons = new Map(); // by name:instance: why it is not up
  events = []; // oldest first
  strips = new Map(); // by name:instance: [time, mood], oldest first
  connected = false;
  problem = "";
  #dirty = new Set();
  #refreshing = false;
  #refreshedAt = 0;
  #abort = null;

  constructor(changed) {
    this.changed = changed;
    addEventListener("pagehide", () => this.giveUp()); // a page in the browser's history holds no connection
  }

  // What a person should think of an instance, or of an event about one.
  mood(about) {
    const name = about.name ?? about.program;
    return mood(about.state, about.health, this.plan.some((each) => each.name === name && each.scheduled));
  }

  label(program) {
    const scale = this.plan.find((each) => each.name === program.name)?.scale ?? 1;
    return scale > 1 ? key(program) : program.name;
  }

  get span() {
    return clamp(Date.now() - Date.parse(this.status.started_at));
  }

  // Asks for everything again, such as after an action.
  refresh() {
    this.#dirty.add("");
    this.#refresh();
  }

  // Follows the container for ever, through restarts of it.
  async follow() {
    for (let failures = 0; ; failures += 1) {
      try {
        await this.#begin();
        failures = 0;
        this.#abort = new AbortController();
        const last = this.events.at(-1)?.id ?? this.status.last_event_id;
        await stream(`/v1/events?follow=1&since=${last}`, (events) => this.#take(events), this.#abort.signal);
        this.#lose("The connection has ended.");
      } catch (error) {
        this.#lose(error instanceof Refused ? error.message : "supinit cannot be reached.");
      }
      await pause(PATIENCE[Math.min(failures, PATIENCE.length - 1)]);
    }
  }

  // Called when supinit has not answered in time elsewhere: the stream may be dead without an end.
  giveUp() {
    this.#abort?.abort();
  }

  #lose(problem) {
    this.connected = false;
    this.problem = problem;
    this.changed();
  }

  async #begin() {
    const before = this.status;
    const [status, plan] = await Promise.all([get("/v1/status?usage=0"), get("/v1/plan")]);
    const isSame = before !== null && before.started_at === status.started_at && before.pid === status.pid;
    const kept = isSame ? this.events : [];
    const after = kept.at(-1)?.id ?? null;
    const missed = await this.#missed(after);
    this.plan = plan.programs;
    this.events = kept;
    if (!isSame) this.strips.clear();
    this.#adopt(status);
    this.#keep(missed);
    await this.#explain();
    this.connected = true;
    this.changed();
  }

  async #missed(after) {
    const events = [];
    const since = after === null ? `n=${KEPT_EVENTS}` : `since=${after}`;
    try {
      await stream(`/v1/events?${since}`, (more) => events.push(...more), AbortSignal.timeout(10000));
    } catch (error) {
      if (error.code !== "gone") throw error;
      await stream(`/v1/events?n=${KEPT_EVENTS}`, (more) => events.push(...more), AbortSignal.timeout(10000));
    }
    return events;
  }

  #adopt(status) {
    this.status = status;
    this.receivedAt = Date.now();
    this.programs = new Map(status.programs.map((program) => [key(program), this.#date(program)]));
    for (const program of this.programs.values()) {
      if (!this.strips.has(key(program))) {
        this.strips.set(key(program), [[Date.parse(program.since), this.mood(program)]]);
      }
    }
  }

  #date(program) {
    const startedAt = program.uptime_seconds === null ? null : Date.now() - program.uptime_seconds * 1000;
    return { ...program, startedAt };
  }

  #keep(events) {
    this.events.push(...events);
    this.events.splice(0, this.events.length - KEPT_EVENTS);
    for (const event of events) {
      if (event.state === undefined) continue;
      const name = `${event.program}:${event.instance ?? 1}`;
      const strip = this.strips.get(name) ?? [];
      strip.push([Date.parse(event.time), this.mood(event)]);
      strip.sort((a, b) => a[0] - b[0]);
      while (strip.length > 1 && strip[1][0] < Date.now() - HISTORY) strip.shift();
      this.strips.set(name, strip);
    }
  }

  #take(events) {
    this.#keep(events);
    for (const event of events) {
      if (event.state !== undefined) {
        const name = `${event.program}:${event.instance ?? 1}`;
        const program = this.programs.get(name);
        this.#dirty.add(program === undefined ? "" : name);
        if (program !== undefined) Object.assign(program, { state: event.state, health: event.health });
      } else if (event.event.startsWith("container.") || event.event.startsWith("program.roll")) {
        this.#dirty.add("");
      }
    }
    this.changed();
    if (this.#dirty.size > 0) this.#refresh();
  }

  // Asks for the entries that have changed; "" stands for all of them, and the plan.
  async #refresh() {
    if (this.#refreshing) return;
    this.#refreshing = true;
    await pause(Math.max(100, this.#refreshedAt + REFRESH - Date.now()));
    const names = [...this.#dirty];
    this.#dirty.clear();
    try {
      const isAll = names.includes("") || names.length > 50;
      const query = isAll ? "" : names.map((name) => `&name=${encodeURIComponent(name)}`).join("");
      const status = await get(`/v1/status?usage=0${query}`);
      if (isAll) {
        this.plan = (await get("/v1/plan")).programs;
        this.#adopt(status);
      } else {
        for (const program of status.programs) this.programs.set(key(program), this.#date(program));
        this.status = { ...status, programs: this.status.programs };
      }
      await this.#explain();
      this.changed();
    } catch {
      this.#dirty.add(""); // a program may be gone since; the next event asks for everything
    }
    this.#refreshedAt = Date.now();
    this.#refreshing = false;
    if (this.#dirty.size > 0 && this.connected) this.#refresh();
  }

  async #explain() {
    const why = await get("/v1/why");
    this.reasons = new Map(why.programs.map((program) => [key(program), program]));
  }
}
