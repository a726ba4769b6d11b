// SPDX-License-Identifier: Apache-2.0
//
// What the tests drive: the real muelle with examples/hello (E2E_MUELLE=path of the binary), else the mock.
//
//   start() -> { kind, base, token, project, outage() -> restore(), stop() }
//   startTls() -> the same, the admin listener by https; null without the real program
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const top = join(dirname(fileURLToPath(import.meta.url)), "../..");

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function answers(base) {
  for (let i = 0; i < 300; i += 1) {
    try {
      await fetch(base, { redirect: "manual" });
      return;
    } catch {
      await sleep(100);
    }
  }
  throw new Error(`nothing answers at ${base}`);
}

async function startMock() {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const token = "e2e-token";
  const launch = async () => {
    const child = spawn(process.execPath, [join(top, "ui/mock/server.mjs"), "--port", String(port), "--token", token], { stdio: "inherit" });
    await answers(base);
    return child;
  };
  const end = (child) => new Promise((resolve) => (child.once("exit", resolve), child.kill("SIGKILL")));
  let child = await launch();

  return {
    kind: "mock", base, token, project: "hello",
    outage: async () => {
      await end(child);
      return async () => (child = await launch());
    },
    stop: () => end(child),
  };
}

/** examples/hello on free ports, in a folder of its own, so that a person's own instance is left alone. */
async function startReal(binary, scheme = "http") {
  const folder = mkdtempSync(join(tmpdir(), "muelle-e2e-"));
  const [gateway, admin] = [await freePort(), await freePort()];
  const file = join(folder, "muelle.yaml");
  cpSync(join(top, "examples/hello"), folder, { recursive: true });
  const text = readFileSync(file, "utf8")
    .replace(/listen: .*/, `listen: [ "http://127.0.0.1:${gateway}" ]`)
    .replace(/admin: .*/, `admin: "${scheme}://127.0.0.1:${admin}"`);
  writeFileSync(file, text);
  const common = ["-f", file, "--state-dir", join(folder, ".muelle")];
  const muelle = (...args) => execFileSync(binary, [...args, ...common], { encoding: "utf8", timeout: 120_000, env: { ...process.env, CRASH_AFTER_JOBS: "0", MUELLE_CA_DIR: join(folder, "ca") } });

  const end = () => {
    muelle("down");
    rmSync(folder, { recursive: true, force: true });
  };
  let link;
  try {
    // The link that a person would click.
    link = /login\?token=(\S+)/.exec(muelle("up", "-d", "--wait"));
  } catch (error) {
    end();
    throw error;
  }
  const token = link[1];
  const base = `${scheme}://127.0.0.1:${admin}`;
  if (scheme === "http") await answers(base); // fetch does not trust the development authority
  const status = () => JSON.parse(muelle("status", "--json"));
  return {
    kind: "muelle", base, token, project: "hello", gateway,
    // The core is killed; the keeper brings it back by itself.
    outage: async () => {
      process.kill(status().core.pid, "SIGKILL");
      return async () => undefined;
    },
    stop: async () => end(),
  };
}

export const startTls = async () => (process.env.E2E_MUELLE ? startReal(process.env.E2E_MUELLE, "https") : null);
export const start = () => (process.env.E2E_MUELLE ? startReal(process.env.E2E_MUELLE) : startMock());
