// The camera and the decoder. A code held in view is told once; another code at once.

const SAME_CODE_REST_MS = 2500;
const STALLED_MS = 4000;
const CHOICE = "camera";
const WIDEST = 1024;
const NEXT_LOOK_MS = 60;

async function nativeDetector() {
  try {
    const formats = await BarcodeDetector.getSupportedFormats();
    if (!formats.includes("qr_code")) return null;
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    return async (canvas) => (await detector.detect(canvas)).map((code) => code.rawValue);
  } catch {
    return null;
  }
}

function wasmDetector(vendor) {
  ZXingWASM.prepareZXingModule({
    overrides: { locateFile: (path, prefix) => (path.endsWith(".wasm") ? vendor + path : prefix + path) },
    fireImmediately: true,
  });
  const options = { formats: ["QRCode"], tryHarder: true, maxNumberOfSymbols: 1 };
  return async (canvas, pen) => {
    const picture = pen.getImageData(0, 0, canvas.width, canvas.height);
    return (await ZXingWASM.readBarcodes(picture, options)).filter((code) => code.isValid).map((code) => code.text);
  };
}

export class Camera extends EventTarget {
  // Events: "code" {text}, "state" {state: starting | running | denied | none}, "lenses" (cameras and torch are known).
  constructor(video, vendor) {
    super();
    this.video = video;
    this.vendor = vendor;
    this.canvas = document.createElement("canvas");
    this.pen = this.canvas.getContext("2d", { willReadFrequently: true });
    this.seen = new Map();
    this.run = 0;
    document.addEventListener("visibilitychange", () => this._returned());
    window.addEventListener("pageshow", ({ persisted }) => persisted && this._returned());
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this._lenses());
  }

  async start() {
    const run = ++this.run;
    this._say("starting");
    this.stop();
    if (!navigator.mediaDevices?.getUserMedia) return this._say("none");
    try {
      this.stream = await this._open();
      this.video.srcObject = this.stream;
      await this.video.play();
      this.refused = false;
    } catch (error) {
      // Another app has it, a call came in: not a refusal, worth another try when the page is looked at again.
      this.refused = error.name === "NotAllowedError" || error.name === "SecurityError";
      return this._say(error.name === "NotFoundError" ? "none" : "denied");
    }
    this.detect ??= (await nativeDetector()) ?? wasmDetector(this.vendor);
    this._say("running");
    this.frame = null;
    this.lookedAt = performance.now();
    this._watchPictures(run);
    this._look(run);
    this._lenses();
  }

  // The lens somebody chose, as long as it is there; else the one that looks away from who holds the phone.
  async _open() {
    const open = (lens) => {
      const video = { ...lens, width: { ideal: 1280 }, height: { ideal: 720 } };
      return navigator.mediaDevices.getUserMedia({ audio: false, video });
    };
    const chosen = localStorage.getItem(CHOICE);
    const away = { facingMode: { ideal: "environment" } };
    if (!chosen) return open(away);
    try {
      return await open({ deviceId: { exact: chosen } });
    } catch (error) {
      if (error.name === "NotAllowedError") throw error;
      localStorage.removeItem(CHOICE);
      return open(away);
    }
  }

  async _lenses() {
    const all = (await navigator.mediaDevices.enumerateDevices().catch(() => [])) ?? [];
    this.cameras = all.filter((one) => one.kind === "videoinput" && one.deviceId);
    this.dispatchEvent(new Event("lenses"));
  }

  get track() {
    return this.stream?.getVideoTracks()[0] ?? null;
  }

  get hasTorch() {
    return Boolean(this.track?.getCapabilities?.().torch);
  }

  // The next camera of the phone; it is kept for the next time.
  next() {
    const ids = (this.cameras ?? []).map((one) => one.deviceId);
    const now = ids.indexOf(this.track?.getSettings?.().deviceId);
    if (ids.length < 2) return;
    localStorage.setItem(CHOICE, ids[(now + 1) % ids.length]);
    this.start();
  }

  async torch(on) {
    await this.track?.applyConstraints({ advanced: [{ torch: on }] }).catch(() => {});
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }

  // The phone was unlocked or the page came back: a camera taken away meanwhile is started anew.
  _returned() {
    if (document.visibilityState !== "visible" || !this.state || this.state === "none" || this.refused) return;
    const track = this.stream?.getVideoTracks()[0];
    if (!track || track.readyState !== "live" || track.muted) this.start();
    else this.video.play().catch(() => this.start());
  }

  // On iPhones the clock of a frozen picture runs on: where the browser tells of each new picture, that counts.
  _watchPictures(run) {
    this.pictureAt = null;
    const told = () => {
      if (run !== this.run) return;
      this.pictureAt = performance.now();
      this.video.requestVideoFrameCallback(told);
    };
    this.video.requestVideoFrameCallback?.(told);
  }

  get _frozen() {
    const seen = Math.min(this.lookedAt, this.pictureAt ?? Infinity);
    return performance.now() - seen > STALLED_MS;
  }

  async _look(run) {
    while (run === this.run) {
      // Behind an open dialog somebody is busy with the guest before.
      const watching = document.visibilityState === "visible" && !document.querySelector("dialog[open]");
      if (!watching) {
        this.lookedAt = performance.now();
        if (this.pictureAt !== null) this.pictureAt = this.lookedAt;
      }
      // No new picture for seconds: some phones freeze their camera, most of all after the background.
      else if (this._frozen) return this.start();
      else if (this.video.readyState >= 2 && this.video.currentTime !== this.frame) await this._read();
      await new Promise((resolve) => setTimeout(resolve, NEXT_LOOK_MS));
    }
  }

  async _read() {
    this.frame = this.video.currentTime;
    this.lookedAt = performance.now();
    const scale = Math.min(1, WIDEST / this.video.videoWidth);
    this.canvas.width = Math.round(this.video.videoWidth * scale);
    this.canvas.height = Math.round(this.video.videoHeight * scale);
    this.pen.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    let texts = [];
    try {
      texts = await this.detect(this.canvas, this.pen);
    } catch {
      // A native detector may fail for good on some phones: the decoder we bring takes over.
      this.detect = wasmDetector(this.vendor);
    }
    for (const text of texts) if (text) this._found(text);
  }

  _found(text) {
    const now = performance.now();
    const rested = now - (this.seen.get(text) ?? -Infinity) > SAME_CODE_REST_MS;
    this.seen.set(text, now);
    for (const [other, at] of this.seen) if (now - at > SAME_CODE_REST_MS) this.seen.delete(other);
    if (rested) this.dispatchEvent(new CustomEvent("code", { detail: { text, seenAt: this.lookedAt } }));
  }

  _say(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state } }));
  }
}
