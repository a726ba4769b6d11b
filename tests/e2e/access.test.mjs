// SPDX-License-Identifier: Apache-2.0
//
// For everyone: axe finds nothing, the focus is always seen, nothing is wider than a phone.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { launch } from "./browser.mjs";
import { open } from "./session.mjs";
import { start } from "./target.mjs";

const PAGES = ["/", "/projects/hello/services/web?replica=1", "/routes", "/events", "/logs", "/config", "/nosuch"];
/** What a page shows last. */
const LATER = {
  "/": [".services .spark .line", ".events li"],
  "/projects/hello/services/web?replica=1": [".chart canvas", ".replica-history .events li", ".log-row", "#config .config"],
  "/routes": [".endpoints li, .table .touch"],
  "/events": [".events li"],
  "/logs": [".log-row"],
  "/config": [".config .key"],
};
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };
let browser, target;

before(async () => {
  target = await start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await target?.stop();
});

async function settle(page, path) {
  await page.goto(target.base + path);
  await page.locator("main h1, main .empty").first().waitFor();
  // What comes after the frame: configuration, routes, the first figures and log lines.
  for (const selector of LATER[path] ?? []) await page.locator(selector).first().waitFor({ state: "attached" });
}

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const CONTRAST = "color-contrast";

/** A theme changes colours and nothing else, a language words and nothing else: the rule that is dear is asked once a theme. */
const ASK = {
  everything: (builder) => builder.withTags(TAGS),
  colours: (builder) => builder.withRules([CONTRAST]),
  structure: (builder) => builder.withTags(TAGS).disableRules([CONTRAST]),
};

async function axe(page, what, ask = ASK.everything) {
  const { violations } = await ask(new AxeBuilder({ page })).analyze();
  const told = violations.map((v) => `${what}: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3)}`);
  assert.deepEqual(told, []);
}

const LOOKS = [
  ["light", { colorScheme: "light" }, ASK.everything],
  ["dark", { colorScheme: "dark" }, ASK.colours],
  ["a phone", PHONE, ASK.everything],
  ["a dark phone", { ...PHONE, colorScheme: "dark" }, ASK.colours],
  ["Spanish", { locale: "es-ES" }, ASK.structure],
  ["a phone in Spanish", { ...PHONE, locale: "es-ES" }, ASK.structure],
];

for (const [name, options, ask] of LOOKS) {
  test(`axe finds nothing on any page: ${name}`, { timeout: 120_000 }, async () => {
    const { page, close } = await open(browser, target, "/", options);
    for (const path of PAGES) {
      await settle(page, path);
      await axe(page, `${name} ${path}`, ask);
    }
    await close();
  });
}

/** Opens each thing that comes over the page; `look` sees it, Escape closes it. */
async function overlays(page, look) {
  const over = async (name, selector, open) => {
    await open();
    await page.locator(selector).waitFor();
    await look(name, selector);
    await page.keyboard.press("Escape");
    await page.locator(selector).waitFor({ state: "detached" });
  };
  await page.locator(".services .menu button").first().waitFor();
  await over("palette", "dialog.palette", async () => {
    await page.keyboard.press("Control+k");
    await page.keyboard.type("web");
  });
  await over("help", "dialog[open] .keys", () => page.keyboard.press("?"));
  await page.keyboard.press("j");
  await over("confirm", "dialog[open] form", () => page.keyboard.press("r"));
  await over("menu", '[role="menu"]', () => page.locator(".services .menu button").first().click());
}

for (const [colorScheme, ask] of [["light", ASK.everything], ["dark", ASK.colours]]) {
  test(`axe finds nothing in what comes over the page: ${colorScheme}`, { timeout: 120_000 }, async () => {
    const { page, close } = await open(browser, target, "/", { colorScheme });
    await overlays(page, (name) => axe(page, `${colorScheme} ${name}`, ask));
    await close();
  });
}

test("what comes over the page holds the focus, and gives it back on Escape", { timeout: 120_000 }, async () => {
  const { page, close } = await open(browser, target);
  const holder = () => page.evaluate(() => document.activeElement?.outerHTML.slice(0, 80));
  await page.locator(".search-button").focus();
  const before = await holder();
  for (const [open, selector] of [["Control+k", "dialog.palette"], ["?", "dialog[open] .keys"]]) {
    await page.keyboard.press(open);
    await page.locator(selector).waitFor();
    for (let i = 0; i < 12; i += 1) {
      await page.keyboard.press(i % 3 ? "Tab" : "Shift+Tab");
      // The browser's own frame stands between the last and the first: there the page has no focus at all.
      const inside = await page.evaluate(() => document.activeElement === document.body || !!document.activeElement.closest("dialog[open]"));
      assert.ok(inside, `${selector}: ${await holder()}`);
    }
    await page.keyboard.press("Escape");
    await page.locator(selector).waitFor({ state: "detached" });
    assert.equal(await holder(), before, selector);
  }
  await close();
});

test("every action of a service is reached by keyboard alone", { timeout: 120_000 }, async () => {
  const { page, close } = await open(browser, target);
  const menu = page.locator('tr[data-service="web"] .menu button').first();
  await menu.focus();
  await page.keyboard.press("Enter");
  const items = await page.locator('[role="menuitem"]').allTextContents();
  assert.deepEqual(items.slice(0, 3), ["Restart", "Stop", "Scale…"]);
  for (const item of items) {
    assert.equal(await page.evaluate(() => document.activeElement.textContent), item);
    await page.keyboard.press("ArrowDown");
  }
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.locator("dialog[open]", { hasText: "Stop web?" }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog[open]").waitFor({ state: "detached" });
  await close();
});

test("axe finds nothing on the login page", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(target.base);
  await page.locator(".login").waitFor();
  await axe(page, "login");
  await context.close();
});

test("wherever Tab goes, the focus is seen", { timeout: 120_000 }, async () => {
  const { page, close } = await open(browser, target);
  for (const path of ["/", "/projects/hello/services/web?replica=1", "/logs"]) {
    await settle(page, path);
    const seen = new Set();
    for (let i = 0; i < 60; i += 1) {
      await page.keyboard.press("Tab");
      const focus = await page.evaluate(() => {
        const element = document.activeElement;
        if (!element || element === document.body) return null;
        const style = getComputedStyle(element);
        return { what: element.outerHTML.slice(0, 100), ok: parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none" };
      });
      if (!focus) break;
      assert.ok(focus.ok, `${path}: ${focus.what}`);
      seen.add(focus.what);
    }
    assert.ok(seen.size > 10, path);
  }
  await close();
});

test("nothing is wider than a phone", { timeout: 120_000 }, async () => {
  const { page, close } = await open(browser, target, "/", PHONE);
  for (const path of PAGES) {
    await settle(page, path);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${path} is ${width} px wide`);
  }
  await close();
});

test("with reduced motion nothing moves", async () => {
  const { page, close } = await open(browser, target, "/", { reducedMotion: "reduce" });
  const moving = await page.evaluate(() =>
    [...document.querySelectorAll("*")].filter((one) => getComputedStyle(one).transitionDuration.split(",").some((t) => parseFloat(t) > 0)).length,
  );
  assert.equal(moving, 0);
  await close();
});
