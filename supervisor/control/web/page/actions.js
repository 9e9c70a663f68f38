// What a person can do: buttons for the chosen program, questions before what interrupts it, and the token.

import { access, forgetToken, get, keepToken, post, Refused, token } from "./api.js";
import { $, el, setText } from "./dom.js";

const NOTICE = 8000; // milliseconds that a notice stays
let refresh = () => {};
const PROGRESSIVE = { start: "Starting", stop: "Stopping", restart: "Restarting", reload: "Reloading", scale: "Scaling" };

export function tell(text, isProblem = false) {
  const notice = el("p", { class: isProblem ? "notice problem" : "notice" }, text,
    el("button", { type: "button", "aria-label": "Dismiss", onclick: () => notice.remove() }, "×"));
  $("notices").append(notice);
  setTimeout(() => notice.remove(), isProblem ? 3 * NOTICE : NOTICE);
}

// Asks, and returns whether the answer is yes; with `number`, that number.
function ask(title, text, yes, number = null) {
  const dialog = $("question");
  setText($("question-title"), title);
  setText($("question-text"), text);
  setText($("question-yes"), yes);
  $("question-label").hidden = number === null;
  $("question-number").value = number ?? "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", function closed() {
      if (dialog.open) return; // this is the end of the question before
      dialog.removeEventListener("close", closed);
      if (dialog.returnValue !== "yes") resolve(null);
      else resolve(number === null ? true : Number($("question-number").value));
    });
  });
}

async function carryOut(action, name, body = {}, path = action) {
  tell(`${PROGRESSIVE[action]} ${name} …`);
  try {
    await post(`/v1/programs/${encodeURIComponent(name)}/${path}`, { timeout: "60s", ...body });
    tell(`${action} ${name}: done`);
  } catch (error) {
    tell(error instanceof Refused ? error.message : `cannot ${action} ${name}: supinit cannot be reached`, true);
  }
  refresh();
}

const QUESTIONS = {
  stop: (name) => [`Stop ${name}?`, "It stays down until somebody starts it again.", "Stop"],
  restart: (name) => [`Restart ${name}?`, "Its processes are stopped and started again.", "Restart"],
};

async function question(action, name) {
  if (action in QUESTIONS && !(await ask(...QUESTIONS[action](name)))) return;
  await carryOut(action, name);
}

async function scale(name, now) {
  const wanted = await ask(`Scale ${name}`, "How many instances it should have, until the table changes this.", "Scale", now);
  if (wanted !== null) await carryOut("scale", name, { instances: wanted });
}

async function roll(name) {
  if (await ask(`Restart ${name} one by one?`, "Each instance is replaced once the one before is up.", "Restart one by one")) {
    await carryOut("restart", name, { rolling: true, timeout: null });
  }
}

// Shows the buttons that make sense for a program.
export function showActions(program, entries) {
  const place = $("actions");
  const may = access.mode === "control";
  const wanted = program === null || !may ? [] : buttons(program, entries);
  const shown = wanted.map(([label]) => label).join() + (program?.name ?? "");
  if (place.dataset.shown === shown) return;
  place.dataset.shown = shown;
  place.replaceChildren(...wanted.map(([label, action, kind]) => el("button", { type: "button", class: kind, onclick: action }, label)));
}

function buttons(program, entries) {
  const { name } = program;
  const isUp = entries.some((entry) => entry.pid !== null);
  const found = [];
  if (program.scheduled) found.push(["Run now", () => question("start", name)]);
  else if (!entries.every((entry) => entry.pid !== null)) found.push(["Start", () => question("start", name)]);
  if (entries.length > 0 && !(program.type === "oneshot" && !isUp)) found.push(["Restart", () => question("restart", name)]);
  if (program.scale > 1 && isUp) found.push(["Rolling restart", () => roll(name)]);
  if (program.type === "service") found.push(["Scale", () => scale(name, entries.length)]);
  if (entries.some((entry) => !["STOPPED", "EXITED", "FATAL"].includes(entry.state))) found.push(["Stop", () => question("stop", name), "danger"]);
  return found;
}

export function showAccess() {
  const words = { read: "read-only", locked: "read-only", control: "control" };
  setText($("access"), words[access.mode]);
  $("unlock").hidden = access.mode !== "locked";
  $("lock").hidden = access.mode !== "control";
}

async function unlock(event) {
  event.preventDefault();
  setText($("token-problem"), "");
  keepToken($("token").value);
  try {
    await get("/v1/version");
    $("token-dialog").close();
  } catch (error) {
    forgetToken();
    setText($("token-problem"), error instanceof Refused ? error.message : "supinit cannot be reached");
  }
}

export function prepareActions(done) {
  refresh = done;
  for (const button of document.querySelectorAll("dialog button[value=cancel]")) {
    button.addEventListener("click", () => button.closest("dialog").close(""));
  }
  $("question").querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    $("question").close("yes");
  });
  $("token-dialog").querySelector("form").addEventListener("submit", unlock);
  $("token-dialog").addEventListener("close", () => { $("token").value = ""; setText($("token-problem"), ""); });
  $("unlock").addEventListener("click", () => $("token-dialog").showModal());
  $("lock").addEventListener("click", () => { forgetToken(); get("/v1/version").catch(() => {}); });
  if (token() === null) forgetToken();
}
