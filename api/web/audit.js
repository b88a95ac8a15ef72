// The audit: choose a space, tap what you see. What Perch said is shown after the tap only, so that it leads nobody.
import { waitingLooks } from "./audit-queue.js";
import { serverTime } from "./link.js";
import { clock, fill, percent } from "./wording.js";

const UNDO_S = 60;
const data = JSON.parse(document.getElementById("perch").textContent);
const { words } = data;
const { now } = serverTime(data.now);
const queue = waitingLooks({ changed: paintWaiting, refused: (why) => complain(fill(words.refused, { why })) });
const choose = document.querySelector(".choose");
const look = document.querySelector(".look");
const part = (selector) => look.querySelector(selector);
let shownSpace = null;
let tapped = null; // { id, until } of what can be taken back
let ticking = 0;

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function complain(text) {
  const banner = document.querySelector("main > .banner[role]");
  banner.textContent = text;
  banner.hidden = !text;
}

function paintWaiting(number) {
  const place = document.querySelector(".waiting");
  place.textContent = fill(words.waiting, { n: number });
  place.hidden = number === 0;
}

// Which space is asked for stands in the address, so that the phone's own way back works.
function follow() {
  const id = decodeURIComponent(location.hash.slice(1));
  const space = Object.hasOwn(data.spaces, id) ? data.spaces[id] : null;
  const before = shownSpace;
  shownSpace = space ? id : null;
  choose.hidden = Boolean(space);
  look.hidden = !space;
  complain("");
  forgetUndo();
  if (space) ask(space);
  else if (before) choose.querySelector(`[data-space="${CSS.escape(before)}"] a`)?.focus();
}

function ask(space) {
  part("h1").textContent = space.name;
  part(".question").textContent = space.one ? words.question_one : words.question;
  part(".ask").hidden = false;
  part(".told").hidden = true;
  const offered = space.one ? [words.nobody, words.somebody] : [words.nobody, "1", "2", "3", words.many];
  part(".answers").classList.toggle("pair", space.one);
  part(".answers").replaceChildren(
    ...offered.map((text, count) => {
      const button = element("button", text);
      button.type = "button";
      button.addEventListener("click", () => tap(count, text));
      return button;
    }),
  );
  scrollTo(0, 0);
  part("h1").focus({ preventScroll: true });
}

async function tap(count, text) {
  const at = now();
  const id = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const tap = { id, site: data.site, space: shownSpace, count, seen_at: new Date(at).toISOString() };
  for (const button of part(".answers").children) button.disabled = true;
  const head = element("p", fill(words.noted, { time: clock(data, tap.seen_at, at), seen: text }));
  if (!queue.add(tap)) {
    ask(data.spaces[shownSpace]);
    return complain(words.full);
  }
  tapped = { id, until: performance.now() + UNDO_S * 1000 };
  const taken = await queue.send(tap);
  if (tapped?.id !== id) return; // another space is looked at by now
  part(".ask").hidden = true;
  part(".told").hidden = false;
  part(".outcome").replaceChildren(head, ...(taken === null ? [element("p", words.kept, "soft")] : said(taken)));
  paintUndo();
  ticking = setInterval(paintUndo, 1000);
  part(".outcome").focus({ preventScroll: true });
}

function said({ said, agrees, refused }) {
  if (refused) return [element("p", fill(words.refused, { why: refused }))];
  if (!said) return [element("p", words.not_said, "soft")];
  const line = element("p", "", "said");
  const glyph = element("span", "", "glyph");
  glyph.dataset.state = said.state;
  glyph.setAttribute("aria-hidden", "true");
  line.append(glyph, fill(words.said, { state: words.states[said.state] }));
  const verdict = agrees === null ? words.no_state : agrees ? words.agrees : words.differs;
  if (agrees === null || said.probability === null) return [line, element("p", verdict)];
  const sure = fill(words.sure, { percent: percent(data.language, said.probability) });
  return [line, element("p", verdict), element("p", sure, "soft")];
}

function paintUndo() {
  const left = Math.ceil((tapped.until - performance.now()) / 1000);
  if (left <= 0) return forgetUndo();
  part(".undo").hidden = false;
  part(".undo").textContent = fill(words.undo, { seconds: left });
}

function forgetUndo() {
  clearInterval(ticking);
  tapped = null;
  part(".undo").hidden = true;
}

part(".undo").addEventListener("click", async () => {
  if (!tapped) return;
  const { id } = tapped;
  const why = await queue.takeBack(id, words.no_connection);
  if (why) return complain(fill(words.not_undone, { why }));
  forgetUndo();
  complain("");
  part(".outcome").replaceChildren(element("p", words.undone));
  part(".outcome").focus({ preventScroll: true });
});

let floor = "";
function filter() {
  const wanted = document.querySelector(".find input").value.trim().toLocaleLowerCase();
  let any = false;
  for (const row of choose.querySelectorAll(".row")) {
    const here = !floor || row.closest(".floor").dataset.floor === floor;
    row.hidden = !(here && row.textContent.toLocaleLowerCase().includes(wanted));
    any ||= !row.hidden;
  }
  for (const part of choose.querySelectorAll(".zone, section.floor")) part.hidden = !part.querySelector(".row:not([hidden])");
  choose.querySelector(".nothing").hidden = any;
}

document.querySelector(".find input").addEventListener("input", filter);
document.querySelector(".floors")?.addEventListener("click", (event) => {
  const chosen = event.target.closest("button");
  if (!chosen) return;
  floor = chosen.dataset.floor;
  for (const button of chosen.parentElement.children) button.setAttribute("aria-pressed", String(button === chosen));
  filter();
});
for (const link of document.querySelectorAll(".back, .next")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    if (shownSpace) location.hash = "";
  });
}
addEventListener("hashchange", follow);
filter();
follow();
queue.start();
