// SPDX-License-Identifier: Apache-2.0
//
// usage: node run.mjs [--muelle BINARY] [FILE …]
//
// Installs what package-lock.json names when it is not there, then runs the tests one file after another.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const env = { ...process.env, PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: "1" };
const run = (program, list) => spawnSync(program, list, { cwd: here, env, stdio: "inherit" }).status ?? 1;

/** What package.json names is what is there. playwright-core stays at 1.61: later ones refuse Debian 12's Node 18. */
function installed() {
  const wanted = JSON.parse(readFileSync(join(here, "package.json"), "utf8")).devDependencies;
  return Object.entries(wanted).every(([name, version]) => {
    const file = join(here, "node_modules", name, "package.json");
    return existsSync(file) && JSON.parse(readFileSync(file, "utf8")).version === version;
  });
}

if (args[0] === "--muelle") {
  env.E2E_MUELLE = resolve(args[1]);
  args.splice(0, 2);
}
if (!existsSync(env.CHROMIUM ?? "/usr/bin/chromium")) {
  console.error("e2e: /usr/bin/chromium is missing: apt-get install chromium");
  process.exit(77);
}
if (!installed() && run("npm", ["ci", "--no-fund", "--no-audit", "--prefer-offline"]) !== 0) {
  process.exit(1);
}
if (!env.E2E_MUELLE && !existsSync(join(here, "../../ui/dist/index.html"))) {
  console.error("e2e: ui/dist is missing: run 'npm run bundle' in ui/");
  process.exit(1);
}
const files = args.length ? args : readdirSync(here).filter((name) => name.endsWith(".test.mjs")).sort();
// Each file on its own: the tests change what the other file's tests look at.
process.exitCode = files.map((file) => run(process.execPath, ["--test", "--test-reporter=tap", file])).some((code) => code !== 0) ? 1 : 0;
