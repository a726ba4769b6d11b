// SPDX-License-Identifier: Apache-2.0
//
// A page with a session, that remembers everything the browser complained about.

/** Failed loads while the server is away on purpose are no mistake of the page. */
const EXPECTED = /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of (401|502|503|409)/;

export async function open(browser, target, path = "/", options = {}) {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !EXPECTED.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${target.base}/login?token=${target.token}`);
  await page.waitForSelector('[data-service="web"]');
  if (path !== "/") await page.goto(target.base + path);
  return { page, complaints, close: () => context.close() };
}

export const rowOf = (page, service) => page.locator(`tr[data-service="${service}"]`);
