// SPDX-License-Identifier: Apache-2.0
//
// usage: node run.mjs [--muelle BINARY] perf.mjs      (or `node perf.mjs` against the mock)
//
// The three figures that a person feels, each beside its target (ui/README.md): the first paint of a cold page, the
// longest tasks while 10,000 log lines scroll by, the longest tasks while a chart of 100,000 points is zoomed. Figures
// to look at; not a test, because a busy machine makes any task long.
import { Agent, get } from "node:http";
import { launch } from "./browser.mjs";
import { open } from "./session.mjs";
import { start } from "./target.mjs";

const [browser, target] = await Promise.all([launch(), start()]);
const figures = {};
/** --log-row in theme.css. */
const ROW = 20;

/** From the request to the first text, over several loads without a cache. */
async function firstPaint() {
  const { page, close } = await open(browser, target);
  const session = await page.context().newCDPSession(page);
  const times = [];
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  for (let i = 0; i < 7; i += 1) {
    await page.reload();
    await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
    times.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
  }
  await close();
  times.sort((a, b) => a - b);
  return { target_ms: 100, p50_ms: Math.round(times[3]), worst_ms: Math.round(times[6]) };
}

/** Installed in the page: runs one step a frame and says how long frames and tasks took. */
const MEASURE = `window.measure = async (steps, step) => {
  const tasks = [], frames = [];
  const observer = new PerformanceObserver((list) => list.getEntries().forEach((entry) => tasks.push(Math.round(entry.duration))));
  observer.observe({ entryTypes: ["longtask"] });
  let last = performance.now();
  for (let i = 0; i < steps; i += 1) {
    step(i);
    await new Promise(requestAnimationFrame);
    frames.push(performance.now() - last);
    last = performance.now();
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  observer.disconnect();
  frames.sort((a, b) => a - b);
  const at = (share) => Math.round(frames[Math.floor((frames.length - 1) * share)] * 10) / 10;
  return { target_ms: 50, frames: frames.length, p50_ms: at(0.5), p99_ms: at(0.99), tasks_over_50_ms: tasks };
}`;

const LINES = 10_000;

/** The example prints a line for each request; the mock has its lines already. */
async function fillLog() {
  if (!target.gateway) return;
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const one = () =>
    new Promise((resolve, reject) => {
      get({ port: target.gateway, host: "127.0.0.1", agent, headers: { Host: "hello.localhost" } }, (answer) => answer.resume().on("end", resolve)).on("error", reject);
    });
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (let i = 0; i < LINES / 16; i += 1) await one();
  }));
  agent.destroy();
}

async function scrollLog() {
  await fillLog();
  const { page, close } = await open(browser, target, "/logs");
  await page.waitForFunction(() => document.querySelectorAll(".log-row").length > 5);
  // Scrolling to the top loads the history before it, a thousand lines at a time.
  for (let held = 0; held < LINES; ) {
    const before = held;
    await page.evaluate(() => (document.querySelector(".log-scroll").scrollTop = 40));
    await page.waitForFunction((height) => document.querySelector(".log-space").clientHeight > height, before * ROW, { timeout: 10_000 });
    await page.waitForTimeout(50);
    held = await page.evaluate((row) => document.querySelector(".log-space").clientHeight / row, ROW);
  }
  await page.evaluate(MEASURE);
  const found = await page.evaluate(() => {
    const view = document.querySelector(".log-scroll");
    return window.measure(Math.ceil(view.scrollHeight / 1200), (i) => (view.scrollTop = i * 1200)).then((all) => ({ lines: Math.round(view.scrollHeight / 20), ...all }));
  });
  await close();
  return found;
}

async function zoomChart() {
  const { page, close } = await open(browser, target, "/projects/hello/services/web");
  await page.waitForFunction(() => document.querySelectorAll(".chart canvas").length >= 4);
  await page.evaluate(MEASURE);
  const found = await page.evaluate(async () => {
    // The dashboard's own chart module, as the page has just loaded it.
    const url = performance.getEntriesByType("resource").map((entry) => entry.name).find((name) => /\/plot-\w+\.js$/.test(name));
    const { makePlot } = await import(url);
    const [points, now] = [100_000, Date.now() / 1000];
    const times = Array.from({ length: points }, (_, i) => now - points + i);
    const values = times.map((_, i) => 40 + 30 * Math.sin(i / 900) + (i % 97) / 5);
    const place = document.body.appendChild(document.createElement("div"));
    place.style.width = "1000px";
    const plot = makePlot(place, { series: [{ label: "x", color: "--accent", fill: "--accent-area" }], format: String, clock: String, floor: 1, marks: () => [], onCursor: () => undefined });
    plot.setData([times, values]);
    // Making the points is no part of the zoom.
    await new Promise((resolve) => setTimeout(resolve, 500));
    // In and out again, from all of it to a minute.
    return window.measure(120, (i) => {
      const width = points / 1.2 ** Math.min(i, 119 - i);
      plot.setScale("x", { min: now - points / 2 - width / 2, max: now - points / 2 + width / 2 });
    }).then((all) => ({ points, ...all }));
  });
  await close();
  return found;
}

figures.first_paint = await firstPaint();
figures.log_scroll = await scrollLog();
figures.chart_zoom = await zoomChart();
console.log(JSON.stringify(figures, null, 2));
await browser.close();
await target.stop();
