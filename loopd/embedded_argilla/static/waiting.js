/* Owns what annotators see in Argilla's page while nothing is open for them: that the next texts
 * come by themselves, and then the texts. Must not touch a page that shows a record, nor one that
 * somebody has filtered, and asks nothing that the page could not ask itself. */
(() => {
  "use strict";

  const LOOK = 1000; // milliseconds between two looks while somebody waits
  const QUICK = 180000; // for so long; then it looks ever more seldom
  const SLOWEST = 5000;
  const HIDDEN = 15000; // in a tab that nobody sees
  const GROWTH = 1.1;
  const SHARE = 10; // later on a look may take a tenth of the time: a slow server is asked less
  const RELOAD = 10000; // between two reloads of a page that does not know how to look itself

  const PAGE = /\/dataset\/([0-9a-f-]{36})\/annotation-mode/;
  const MARK = "loopd_queue.";
  const FILTERS = ["search", "response", "suggestion", "similarity"];
  const WORDS = {
    working: "loopd is choosing the next texts. They appear here by themselves.",
    over: "All is labelled: loopd asks for no more texts. Thank you!",
    first: "loopd is choosing the first texts. This page goes on to them by itself.",
    away: "Nothing is open for you right now. New texts appear here by themselves.",
  };

  let dataset = null;
  let state = null; // of loopd, as the server sees it; null: it has nothing to do with the dataset
  let timer = 0;
  let since = 0;
  let pause = LOOK;
  let looking = false;
  let refused = null; // the token with which the server did not let us in

  const sentence = () => document.querySelector(".wrapper--empty .wrapper__text");

  /** Whether the page shows all that is open: no filter but loopd's own. */
  const isQueue = () => {
    const query = new URLSearchParams(location.search);
    const filter = query.get("metadata") || "";
    return (
      (query.get("status") || "pending") === "pending" &&
      !FILTERS.some((name) => query.get(name)) &&
      (filter === "" || filter.startsWith(MARK))
    );
  };

  const isWaiting = () => dataset !== null && sentence() !== null && isQueue();

  const say = () => {
    const element = sentence();
    const words = WORDS[state];
    if (words && isWaiting() && element.textContent !== words) {
      element.setAttribute("role", "status");
      element.textContent = words;
    }
  };

  /** Whether somebody is writing, such as into the search: that must not be lost. */
  const isWriting = () => {
    const element = document.activeElement;
    if (!element) return false;
    const isText = element.matches("textarea, input:not([type=checkbox], [type=radio])");
    return (isText && element.value !== "") || (element.isContentEditable && element.innerText);
  };

  /** The part of the page that loads its records. */
  const loader = () => {
    let element = sentence();
    while (element && !element.__vue__) element = element.parentElement;
    let part = element && element.__vue__;
    while (part && typeof part.onLoadRecords !== "function") part = part.$parent;
    return part || null;
  };

  /** Let the page load its queue as it does at first; it counts on from what it showed before. */
  const show = async () => {
    const part = loader();
    const page = part && part.recordCriteria && part.recordCriteria.page;
    const shown = part && part.records;
    const isOurs = shown && Array.isArray(shown.records) && "hasRecordsToAnnotate" in shown;
    if (isOurs && page && typeof page.goToFirst === "function") {
      shown.hasRecordsToAnnotate = false;
      shown.records.splice(0);
      page.goToFirst();
      await part.onLoadRecords();
    } else {
      reload();
    }
  };

  const reload = () => {
    const last = Number(sessionStorage.getItem("loopd.reloaded")) || 0;
    if (Date.now() - last > RELOAD) {
      sessionStorage.setItem("loopd.reloaded", String(Date.now()));
      location.reload();
    }
  };

  /** How many records are open for this person; null where nobody says. */
  const ask = async (token) => {
    const address = new URL(`api/v1/me/datasets/${dataset}/metrics`, document.baseURI);
    const answer = await fetch(address, { headers: { Authorization: token }, cache: "no-store" });
    if (answer.status === 401 || answer.status === 403 || answer.status === 404) refused = token;
    if (!answer.ok) return null;
    state = answer.headers.get("X-Loopd");
    return (await answer.json()).responses.pending;
  };

  /** When to look again, after a look that took so many milliseconds. */
  const paced = (took) => {
    const isLate = performance.now() - since > QUICK || !state || state === "over";
    return isLate ? Math.min(Math.max(pause * GROWTH, SHARE * took), SLOWEST) : Math.max(LOOK, took);
  };

  const look = async () => {
    const token = localStorage.getItem("auth._token.local");
    if (looking || !dataset || !token || token === "false" || token === refused) return;
    looking = true;
    const began = performance.now();
    try {
      const open = await ask(token);
      pause = paced(performance.now() - began);
      say();
      if (open && isWaiting() && !isWriting()) await show();
    } catch {
      pause = paced(performance.now() - began); // the server is away: it is asked again
    } finally {
      looking = false;
    }
  };

  const wait = () => {
    timer = setTimeout(
      async () => {
        await look();
        timer = 0;
        watch();
      },
      document.hidden ? HIDDEN : pause,
    );
  };

  // -- before the first dataset ---------------------------------------------------------------

  /** The sentence of a home page without datasets, of somebody who cannot make any. */
  const homeSentence = () =>
    document.querySelector(".datasets-empty__cards")
      ? null
      : document.querySelector(".datasets-empty__message");

  let atHome = 0;

  /** Say that the first texts are on their way, and go to them once they are there. */
  const lookFromHome = async () => {
    const token = localStorage.getItem("auth._token.local");
    if (!homeSentence() || !token || token === "false") return;
    const address = new URL("api/v1/me/datasets", document.baseURI);
    const answer = await fetch(address, { headers: { Authorization: token }, cache: "no-store" });
    if (!answer.ok || answer.headers.get("X-Loopd") !== "working") return;
    const ready = (await answer.json()).items.find((one) => one.status === "ready");
    const element = homeSentence();
    if (!element || isWriting()) return;
    if (ready) {
      location.assign(new URL(`dataset/${ready.id}/annotation-mode`, document.baseURI));
    } else if (element.textContent !== WORDS.first) {
      element.setAttribute("role", "status");
      element.textContent = WORDS.first;
    }
  };

  const waitAtHome = () => {
    if (atHome || !homeSentence()) return;
    const next = () => {
      atHome = 0;
      waitAtHome();
    };
    atHome = setTimeout(() => lookFromHome().then(next, next), document.hidden ? HIDDEN : LOOK);
  };

  const watch = () => {
    waitAtHome();
    const match = PAGE.exec(location.pathname);
    const now = match ? match[1] : null;
    if (now !== dataset) {
      dataset = now;
      state = refused = null;
      look();
    }
    if (!isWaiting()) {
      since = 0;
      return;
    }
    if (!since) {
      since = performance.now();
      pause = LOOK;
    }
    say();
    if (!timer) wait();
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !isWaiting()) return;
    clearTimeout(timer);
    timer = 0;
    pause = LOOK;
    look().then(watch);
  });
  new MutationObserver(watch).observe(document.documentElement, { childList: true, subtree: true });
  watch();
})();
