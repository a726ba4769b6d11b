// SPDX-License-Identifier: Apache-2.0
//
// The dashboard as a person uses it. Every test ends with "the browser complained about nothing".
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { launch } from "./browser.mjs";
import { open, rowOf } from "./session.mjs";
import { start } from "./target.mjs";

const SERVICE = "/projects/hello/services/web";
let browser, target;

before(async () => {
  target = await start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await target?.stop();
});

/** A page for one test, closed and checked whatever happens in it. */
function scenario(name, path, run, options) {
  test(name, { timeout: 120_000 }, async () => {
    const { page, complaints, close } = await open(browser, target, path, options);
    try {
      await run(page);
      assert.deepEqual(complaints, []);
    } finally {
      await close();
    }
  });
}

const texts = (page, selector) => page.locator(selector).allTextContents();
const poll = async (page, body, arg) => page.waitForFunction(body, arg, { timeout: 30_000 });

scenario("the overview says in a sentence whether all is right, and lists every service with its state", "/", async (page) => {
  await poll(page, () => /running/.test(document.querySelector("h1").textContent));
  const names = await texts(page, ".services .service-name");
  for (const name of ["redis", "web", "site", "worker"]) assert.ok(names.includes(name), name);
  await rowOf(page, "web").filter({ hasText: /running.*2\/2/ }).waitFor();
  assert.ok(names.indexOf("redis") < names.indexOf("web"), "what others need comes first");
});

scenario("figures arrive every second and draw sparklines", "/", async (page) => {
  await poll(page, () => document.querySelectorAll('tr[data-service="web"] .spark .line').length >= 2);
  const cell = rowOf(page, "web").locator(".spark .line").first();
  const before = await cell.getAttribute("d");
  await poll(page, (old) => document.querySelector('tr[data-service="web"] .spark .line').getAttribute("d") !== old, before);
});

scenario("everything by keyboard: j k Enter l / g ? Escape", "/", async (page) => {
  await page.keyboard.press("j");
  const first = await page.locator("tr.chosen").getAttribute("data-service");
  await page.keyboard.press("j");
  assert.notEqual(await page.locator("tr.chosen").getAttribute("data-service"), first);
  await page.keyboard.press("k");
  await page.keyboard.press("Enter");
  await poll(page, (name) => document.querySelector("h1")?.textContent === name, first);
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  await poll(page, () => location.pathname === "/events");
  await page.keyboard.press("/");
  await page.keyboard.type("jk?");
  assert.equal(await page.locator("[data-search]").inputValue(), "jk?", "letters typed in a field are text");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await page.locator("dialog[open] .keys").waitFor();
  await page.keyboard.press("Escape");
  await poll(page, () => !document.querySelector("dialog[open]"));
  await page.keyboard.press("l");
  await poll(page, () => location.pathname === "/logs" && location.search.includes("service="));
});

scenario("the palette does what the command line does, and shows its line", "/", async (page) => {
  await page.locator(".search-button").focus();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("restart web");
  await page.locator('[role="option"][aria-selected="true"]', { hasText: "muelle restart web" }).waitFor();
  await page.keyboard.press("Enter");
  await page.locator("dialog[open]", { hasText: "Restart web?" }).waitFor();
  await page.keyboard.press("Escape");
  await poll(page, () => !document.querySelector("dialog[open]"));
  await page.keyboard.press("Control+k");
  await page.keyboard.type("logs worker");
  await page.keyboard.press("Enter");
  await poll(page, () => location.search === "?service=worker");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("zzzz");
  await page.locator("dialog .hint", { hasText: "Nothing matches" }).waitFor();
});

scenario("a restart asks first, says what it does, shows that it is under way, and happens", "/", async (page) => {
  await rowOf(page, "site").click();
  await page.keyboard.press("r");
  const dialog = page.locator("dialog[open]");
  assert.match(await dialog.textContent(), /Restart site\?.*muelle restart site/s);
  // It may be over before anyone can look: note what the row said.
  await page.evaluate(() => {
    window.said = new Set();
    const look = () => window.said.add(document.querySelector('tr[data-service="site"] .state').textContent);
    new MutationObserver(look).observe(document.querySelector(".services"), { childList: true, subtree: true, characterData: true });
  });
  await dialog.getByRole("button", { name: "Restart", exact: true }).click();
  await page.locator(".toast", { hasText: "site is restarting" }).waitFor();
  await poll(page, () => window.said.has("restarting…"));
  await poll(page, () => document.querySelector('tr[data-service="site"] .state').textContent === "running");
});

scenario("while an action is under way its button says so and does nothing more", SERVICE, async (page) => {
  let answer;
  const asked = [];
  await page.route("**/services/web/restart", async (route) => {
    asked.push(route.request().url());
    await new Promise((resolve) => (answer = resolve));
    await route.fulfill({ status: 409, contentType: "application/problem+json", body: JSON.stringify({ title: "Conflict", status: 409, detail: "web is being changed by someone else.", hint: "Try again in a moment." }) });
  });
  await page.getByRole("button", { name: "Restart", exact: true }).click();
  await page.locator("dialog[open]").getByRole("button", { name: "Restart", exact: true }).click();
  const busy = page.getByRole("button", { name: "Restarting…" });
  await busy.waitFor();
  assert.equal(await busy.getAttribute("aria-busy"), "true");
  await page.locator('.service-state .state[data-working="restart"]').waitFor();
  await busy.click({ force: true });
  assert.equal(await page.locator("dialog[open]").count(), 0);
  answer();
  const toast = page.locator(".toast.failed");
  await toast.waitFor();
  assert.match(await toast.textContent(), /Could not restart web.*changed by someone else.*Try again in a moment/s);
  await page.getByRole("button", { name: "Restart", exact: true }).waitFor();
  assert.equal(asked.length, 1);
});

scenario("scaling is one dialog away, and can be undone", SERVICE, async (page) => {
  await page.getByRole("button", { name: "Scale…" }).click();
  await page.locator('dialog input[type="number"]').fill("3");
  await page.locator("dialog[open]", { hasText: "muelle scale web=3" }).waitFor();
  await page.keyboard.press("Enter");
  await poll(page, () => document.querySelectorAll("#replicas tbody tr").length === 3);
  await page.locator(".toast").getByRole("button", { name: "Undo" }).click();
  await poll(page, () => /2 of 2 ready/.test(document.querySelector(".facts").textContent));
  const reset = page.getByRole("button", { name: "Reset changes" });
  if (await reset.isVisible()) {
    await reset.click();
    await page.locator("dialog[open]").getByRole("button", { name: "Reset changes" }).click();
    await poll(page, () => !document.querySelector("dialog[open]"));
  }
});

scenario("stopping names who needs it; starting brings it back", "/projects/hello/services/worker", async (page) => {
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await page.locator("dialog[open]").getByRole("button", { name: "Stop", exact: true }).click();
  await poll(page, () => document.querySelector(".service-state .state").dataset.state === "stopped");
  await poll(page, () => /0 of 1 ready/.test(document.querySelector(".facts").textContent));
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await poll(page, () => document.querySelector(".service-state .state").dataset.state === "running");
});

scenario("live logs flow, pause, and are searched; only what is on screen is in the page", "/logs", async (page) => {
  await poll(page, () => document.querySelectorAll(".log-row").length > 5);
  const newest = () => page.locator(".log-row").last().textContent();
  const before = await newest();
  await poll(page, (old) => [...document.querySelectorAll(".log-row")].pop().textContent !== old, before);
  await page.keyboard.press("p");
  await page.locator('button[aria-pressed="true"]', { hasText: "Resume" }).waitFor();
  await page.locator(".log-more").waitFor();
  const paused = await newest();
  const waiting = await page.locator(".log-more").textContent();
  await poll(page, (old) => document.querySelector(".log-more").textContent !== old, waiting);
  assert.equal(await newest(), paused, "lines come, the view stands still");
  await page.keyboard.press("p");
  await poll(page, (old) => [...document.querySelectorAll(".log-row")].pop().textContent !== old, paused);
  await page.keyboard.press("/");
  await page.keyboard.type("job");
  await poll(page, () => document.querySelectorAll(".log-row mark").length > 0);
  for (const row of await texts(page, ".log-row")) assert.match(row, /job/i);
  assert.match(await page.evaluate(() => location.search), /q=job/);
  assert.ok((await page.locator(".log-row").count()) < 120);
});

scenario("events tell what happened, newest first, and are filtered in the URL", "/events", async (page) => {
  await page.locator(".events li").first().waitFor();
  const numbers = await page.locator(".events li").evaluateAll((all) => all.map((one) => Number(one.dataset.seq)));
  assert.deepEqual(numbers, [...numbers].sort((a, b) => b - a));
  await page.locator("[data-search]").fill("worker");
  await poll(page, () => [...document.querySelectorAll(".events li")].every((row) => /worker/i.test(row.textContent)));
  assert.ok((await page.locator(".events li").count()) > 0);
  assert.match(await page.evaluate(() => location.search), /q=worker/);
});

scenario("charts begin with what was measured before the page was opened", SERVICE, async (page) => {
  // Not a second has passed for this page, but its figures are there.
  await poll(page, () => document.querySelectorAll(".chart canvas").length >= 4);
  const points = await page.evaluate(async () => {
    const reader = (await fetch("/api/v1/stream", { headers: { Accept: "text/event-stream" } })).body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!/^event: ping/m.test(text)) text += (await reader.read()).value;
    await reader.cancel();
    const found = text.split("\n\n").filter((one) => one.startsWith("event: history")).map((one) => JSON.parse(one.split("data: ")[1]));
    return found.find((one) => one.service === "web").time.length;
  });
  assert.ok(points >= 2, String(points));
  await page.goto(target.base);
  const strip = page.locator(".strip .spark .line").last();
  await strip.waitFor({ state: "attached" });
  assert.ok((await strip.getAttribute("d")).split("L").length > 2, "so do the sums of the overview");
});

scenario("a replica has its history, with an address of its own, and its logs", SERVICE, async (page) => {
  await page.getByRole("button", { name: "web-2", exact: true }).click();
  const history = page.getByRole("region", { name: "History of web-2" });
  await history.locator(".events li", { hasText: "is ready" }).first().waitFor();
  for (const row of await history.locator(".events li").allTextContents()) assert.match(row, /web-2/);
  assert.match(page.url(), /replica=2/);
  await page.reload();
  await history.getByRole("link", { name: "Logs of web-2" }).click();
  await poll(page, () => document.querySelectorAll(".log-row").length > 0);
  for (const row of await texts(page, ".log-row .from")) assert.equal(row, "web-2");
  await page.getByRole("button", { name: "Only web-2" }).click();
  await poll(page, () => !location.search.includes("replica"));
});

scenario("the bar names the project and the instance", "/routes", async (page) => {
  const bar = page.locator("header.top");
  await bar.locator(".instance").waitFor();
  assert.match(await bar.textContent(), /muelle\s*hello/);
  assert.match(await bar.locator(".instance").getAttribute("title"), /^Instance [0-9a-f]{12}/);
});

scenario("routes and the configuration are shown as understood", "/routes", async (page) => {
  await page.locator("table", { hasText: "hello.localhost" }).waitFor();
  await page.locator("main", { hasText: /web-1.*127\.0\.0\.1:\d+/s }).waitFor();
  await page.goto(`${target.base}/config`);
  await page.locator(".config .key").first().waitFor();
  assert.match(await page.locator(".config").textContent(), /services:/);
});

scenario("a service page has an address of its own, also after a reload; a wrong one helps", SERVICE, async (page) => {
  await page.locator("h1", { hasText: "web" }).waitFor();
  await page.locator("#config .config").waitFor();
  await poll(page, () => document.querySelectorAll(".chart canvas").length >= 4);
  await page.reload();
  await page.locator("h1", { hasText: "web" }).waitFor();
  await page.goto(`${target.base}/projects/hello/services/nosuch`);
  await page.locator("main", { hasText: /no service named nosuch.*web/s }).waitFor();
});

scenario("Spanish and English, kept over a reload", "/", async (page) => {
  await page.getByRole("button", { name: "Cambiar a español" }).click();
  await poll(page, () => document.documentElement.lang === "es" && /en marcha/.test(document.body.textContent));
  await page.reload();
  await poll(page, () => /en marcha/.test(document.body.textContent));
  assert.match(await page.locator(".side").textContent(), /Resumen.*Registros/s);
  await page.getByRole("button", { name: "Switch to English" }).click();
  await poll(page, () => document.documentElement.lang === "en");
});

scenario("light and dark follow the system until someone chooses", "/", async (page) => {
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), "dark");
  await page.emulateMedia({ colorScheme: "light" });
  await poll(page, () => document.documentElement.dataset.theme === "light");
  await page.getByRole("button", { name: "Switch between light and dark" }).click();
  assert.equal(await theme(), "dark");
  await page.reload();
  assert.equal(await theme(), "dark");
}, { colorScheme: "dark" });

scenario("when muelle is away the page says so, keeps what it has, and comes back by itself", "/", async (page) => {
  await poll(page, () => /running/.test(document.querySelector('tr[data-service="web"]')?.textContent ?? ""));
  // The line may be gone before anyone can look: note that it was there.
  await page.evaluate(() => {
    new MutationObserver(() => document.querySelector(".offline") && (window.sawOffline = true)).observe(document.body, { childList: true, subtree: true });
  });
  const restore = await target.outage();
  await poll(page, () => window.sawOffline);
  assert.match(await rowOf(page, "web").textContent(), /web/, "the last data stays");
  await restore();
  await poll(page, () => !document.querySelector(".offline") && /live/.test(document.querySelector(".link-state").textContent));
  await poll(page, () => /running.*2\/2/.test(document.querySelector('tr[data-service="web"]').textContent));
});

test("without a session the page explains how to get in; a wrong token is refused; the right one opens", async () => {
  const context = await browser.newContext({ locale: "en-GB" });
  const page = await context.newPage();
  await page.goto(target.base + SERVICE);
  await page.locator("h1", { hasText: "needs its key" }).waitFor();
  assert.match(await page.locator("main").textContent(), /muelle up.*muelle status/s);
  await page.locator('input[name="token"]').fill("not the token");
  await page.keyboard.press("Enter");
  await page.locator('[role="alert"]').waitFor();
  await page.locator('input[name="token"]').fill(target.token);
  await page.keyboard.press("Enter");
  await page.locator("h1", { hasText: "web" }).waitFor();
  await page.goto(`${target.base}/login?token=${target.token}`);
  await page.waitForSelector('[data-service="web"]');
  assert.doesNotMatch(page.url(), /token/, "the token does not stay in the address bar");
  await context.close();
});
