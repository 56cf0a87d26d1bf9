// Fetches the page's changing part and puts in what differs; scroll, focus and open parts stay.
import { drawCharts } from "./charts.js";

const PERIOD = 2000;
const view = document.getElementById("view");
const lost = document.getElementById("lost");
const shown = new Map();
let tag = `"${view.dataset.tag}"`;
let skew = 0;
let heard = Date.now();
let failures = 0;

const parts = (root) => [...root.querySelectorAll("[data-part]")];

function remember(root) {
  for (const part of parts(root)) shown.set(part.id, part.outerHTML);
  const top = root.querySelector("[data-now]");
  if (top) skew = Date.now() / 1000 - Number(top.dataset.now);
}

function keep(part) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  return {
    open: [...part.querySelectorAll("details[open]")].map((details) => details.id),
    scrolled: [...part.querySelectorAll(".scroll")].map((box) => [box.id, box.scrollTop, box.scrollLeft]),
    focus: focused && { id: focused.id, place: [...part.querySelectorAll("a, summary, [tabindex]")].indexOf(focused) },
  };
}

function restore(part, kept) {
  for (const id of kept.open) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
  drawCharts(part);
  for (const [id, top, left] of kept.scrolled) {
    const box = document.getElementById(id);
    if (box) box.scrollTo(left, top);
  }
  if (kept.focus) {
    const found = (kept.focus.id && document.getElementById(kept.focus.id))
      || part.querySelectorAll("a, summary, [tabindex]")[kept.focus.place];
    if (found) found.focus({ preventScroll: true });
  }
}

function put(html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const before = parts(view).map((part) => part.id).join();
  const after = parts(fresh.content).map((part) => part.id).join();
  const place = [window.scrollX, window.scrollY];
  if (before !== after) {
    const kept = keep(view);
    remember(fresh.content);
    view.replaceChildren(fresh.content);
    restore(view, kept);
  } else {
    const changed = parts(fresh.content).filter((part) => part.outerHTML !== shown.get(part.id));
    remember(fresh.content);
    for (const part of changed) {
      const old = document.getElementById(part.id);
      const kept = keep(old);
      old.replaceWith(part);
      restore(part, kept);
    }
  }
  window.scrollTo(...place);
  tellTimes();
}

const two = (number) => String(number).padStart(2, "0");

function length(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds % 3600 / 60))} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds % 86400 / 3600)} h`;
}

function tellTimes() {
  const now = Date.now() / 1000 - skew;
  for (const time of document.querySelectorAll("time[data-at]")) {
    const at = Number(time.dataset.at);
    const words = `${length(Math.max(0, Math.round(now - at)))} ago`;
    if (time.textContent !== words) time.textContent = words;
    if (!time.title) time.title = new Date(at * 1000).toLocaleString();
  }
  if (!lost.hidden) {
    document.getElementById("lost-since").textContent = `${length(Math.round((Date.now() - heard) / 1000))} ago`;
  }
}

async function look() {
  const answer = await fetch("view", { headers: { "If-None-Match": tag }, cache: "no-store" });
  if (answer.status === 200) {
    const html = await answer.text();
    tag = answer.headers.get("etag") || "";
    put(html);
  } else if (answer.status !== 304) {
    throw new Error(`HTTP ${answer.status}`);
  }
  heard = Date.now();
  failures = 0;
  lost.hidden = true;
}

async function turn() {
  if (!document.hidden) {
    try {
      await look();
    } catch {
      failures += 1;
      lost.hidden = failures < 2;
    }
  }
  setTimeout(turn, Math.min(PERIOD * 2 ** Math.min(failures, 3), 15000));
}

remember(view);
drawCharts(view);
tellTimes();
setInterval(tellTimes, 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look().catch(() => {}); });
setTimeout(turn, PERIOD);
