// SPDX-License-Identifier: Apache-2.0
//
// usage: node shots.mjs URL OUT_DIR [--wait SECONDS] [--only NAME] [--service PATH]
//
// URL may be the link that `muelle up` prints. Screenshots of every page: light, dark, a phone of 390 px, each in English and
// Spanish. To be looked at, not compared.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch } from "./browser.mjs";

const [base, out] = process.argv.slice(2);
const flag = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const wait = Number(flag("--wait", "8")) * 1000;
const only = flag("--only", "");
const service = flag("--service", "/projects/hello/services/web");

const DESK = { width: 1440, height: 900 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true };
const LOOKS = {
  "light": { colorScheme: "light", locale: "en-GB", viewport: DESK },
  "dark": { colorScheme: "dark", locale: "en-GB", viewport: DESK },
  "light-es": { colorScheme: "light", locale: "es-ES", viewport: DESK },
  "dark-es": { colorScheme: "dark", locale: "es-ES", viewport: { width: 1280, height: 800 } },
  "phone": { colorScheme: "light", locale: "en-GB", ...PHONE },
  "phone-dark": { colorScheme: "dark", locale: "en-GB", ...PHONE },
  "phone-es": { colorScheme: "light", locale: "es-ES", ...PHONE },
};
const PAGES = { overview: "/", service, routes: "/routes", events: "/events", logs: "/logs", config: "/config" };
/** What comes over a page. */
const OVER = {
  palette: async (page) => (await page.keyboard.press("Control+k"), await page.keyboard.type("web")),
  help: (page) => page.keyboard.press("?"),
  confirm: async (page) => {
    await page.evaluate((to) => (history.pushState(null, "", to), dispatchEvent(new PopStateEvent("popstate"))), service);
    await page.waitForTimeout(300);
    await page.keyboard.press("r");
  },
};

mkdirSync(out, { recursive: true });
const browser = await launch();
await Promise.all(
  Object.entries(LOOKS).map(async ([look, options]) => {
    const context = await browser.newContext({ ...options, timezoneId: "Europe/Madrid" });
    const page = await context.newPage();
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && console.log(look, message.text()));
    page.on("pageerror", (error) => console.log(look, error));
    await page.goto(base, { waitUntil: "domcontentloaded" });
    await page.waitForTimeout(wait);
    for (const [name, path] of Object.entries(PAGES)) {
      if (only && !`${look}-${name}`.includes(only)) continue;
      // Inside the page, so that the figures gathered so far stay.
      await page.evaluate((to) => (history.pushState(null, "", to), dispatchEvent(new PopStateEvent("popstate"))), path);
      await page.waitForTimeout(1200);
      await page.screenshot({ path: join(out, `${look}-${name}.png`), fullPage: name === "service" || look.startsWith("phone") });
    }
    for (const [name, open] of Object.entries(OVER)) {
      if (only && !`${look}-${name}`.includes(only)) continue;
      await open(page);
      await page.waitForTimeout(200);
      await page.screenshot({ path: join(out, `${look}-${name}.png`) });
      await page.keyboard.press("Escape");
    }
    if (!only || `${look}-login`.includes(only)) {
      await context.clearCookies();
      await page.goto(new URL("/", base).href, { waitUntil: "domcontentloaded" });
      await page.waitForTimeout(500);
      await page.screenshot({ path: join(out, `${look}-login.png`) });
    }
    await context.close();
  }),
);
await browser.close();
