/* Lets the search work when the site is opened from a folder.
 *
 * Browsers refuse to start a worker from a file. There, and only there, this runs the worker's
 * script in a hidden frame and passes the messages on. Nothing is fetched from anywhere else.
 */
(function () {
  "use strict";
  if (window.location.protocol !== "file:") return;

  class FrameWorker extends EventTarget {
    constructor(address) {
      super();
      this.onmessage = null;
      this.onerror = null;
      this.waiting = [];
      this.ready = false;
      const source = new URL(String(address), document.baseURI).href;
      if (document.body) this.open(source);
      else document.addEventListener("DOMContentLoaded", () => this.open(source));
    }

    open(source) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.title = "search";
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      const page = this.frame.contentDocument;
      page.open();
      page.write("<!doctype html><html><body></body></html>");
      page.close();
      inside.postMessage = (data) => this.hear(data);
      inside.importScripts = (...sources) =>
        sources.reduce((before, each) => before.then(() => this.load(each, source)), Promise.resolve());
      this.load(source, source).then(() => {
        this.ready = true;
        this.waiting.splice(0).forEach((data) => this.tell(data));
      });
    }

    /* Add a script to the frame; relative addresses start from the worker's script. */
    load(address, from) {
      return new Promise((done, failed) => {
        const script = this.frame.contentDocument.createElement("script");
        script.src = new URL(address, from).href;
        script.onload = () => done();
        script.onerror = () => failed(new Error("cannot load " + script.src));
        this.frame.contentDocument.body.append(script);
      });
    }

    postMessage(data) {
      if (this.ready) this.tell(data);
      else this.waiting.push(data);
    }

    tell(data) {
      const inside = this.frame.contentWindow;
      inside.dispatchEvent(new inside.MessageEvent("message", { data: data }));
    }

    hear(data) {
      const event = new MessageEvent("message", { data: data });
      this.dispatchEvent(event);
      if (typeof this.onmessage === "function") this.onmessage(event);
    }

    terminate() {
      if (this.frame) this.frame.remove();
    }
  }

  window.Worker = FrameWorker;
})();
