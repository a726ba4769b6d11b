// SPDX-License-Identifier: Apache-2.0
//
// Prints the longest tasks of the main thread while 10,000 log lines scroll by, from a Chromium trace's view
// (PerformanceObserver). A figure to look at; not a test, because a busy machine makes any task long.
import { launch } from "./browser.mjs";
import { open } from "./session.mjs";
import { start } from "./target.mjs";

const [browser, target] = await Promise.all([launch(), start()]);
const { page } = await open(browser, target, "/logs");

await page.waitForFunction(() => document.querySelectorAll(".log-row").length > 5);
// Scrolling to the top loads the history before it, a thousand lines at a time.
for (let i = 0; i < 12; i += 1) {
  await page.evaluate(() => (document.querySelector(".log-scroll").scrollTop = 40));
  await page.waitForTimeout(250);
}
const result = await page.evaluate(async () => {
  const tasks = [];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => tasks.push(entry.duration))).observe({ entryTypes: ["longtask"] });
  const view = document.querySelector(".log-scroll");
  const frames = [];
  let last = performance.now();
  for (let top = 0; top < view.scrollHeight; top += 1200) {
    view.scrollTop = top;
    await new Promise(requestAnimationFrame);
    frames.push(performance.now() - last);
    last = performance.now();
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  frames.sort((a, b) => a - b);
  return { lines: view.scrollHeight / 20, frames: frames.length, p50: frames[frames.length >> 1], p99: frames[Math.floor(frames.length * 0.99)], longTasks: tasks };
});
console.log(JSON.stringify(result));
await browser.close();
await target.stop();
