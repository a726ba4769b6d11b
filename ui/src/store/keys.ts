// SPDX-License-Identifier: Apache-2.0
//
// The keyboard, in one table. A key that a field, a dialog or the browser wants is left alone.
import { askable, type KeyTarget } from "../lib/keytargets";
import { navigate, page, servicePath } from "../lib/router";
import { toggleLogPause } from "./logcontrol";
import { ask } from "./actions";
import { choose, chosen, helpOpen, paletteOpen } from "./ui";

type Handler = (target: KeyTarget) => void;

export const PAGES: ReadonlyArray<readonly [key: string, path: string]> = [
  ["o", "/"],
  ["r", "/routes"],
  ["e", "/events"],
  ["l", "/logs"],
  ["c", "/config"],
];

function focusSearch(): void {
  document.querySelector<HTMLInputElement>("[data-search]")?.focus();
}

function openChosen(target: KeyTarget): void {
  const service = chosen.peek();
  // Enter on a link or button is that link's own business.
  if (service && !target.interactive) navigate(servicePath(service.project, service.name));
}

function openLogs(): void {
  const service = chosen.peek();

  if (page.peek().name === "service") document.getElementById("logs")?.scrollIntoView();
  else navigate(service ? `/logs?service=${encodeURIComponent(service.name)}` : "/logs");
}

const handlers: Record<string, Handler> = {
  j: () => choose(1),
  k: () => choose(-1),
  "/": focusSearch,
  l: openLogs,
  r: () => {
    const service = chosen.peek();
    if (service) ask("restart", service);
  },
  p: toggleLogPause,
  "?": () => (helpOpen.value = true),
  Enter: openChosen,
};

/** "g" then a letter goes to a page; the letter must follow within a second. */
let goUntil = 0;

function onKey(event: KeyboardEvent): void {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    paletteOpen.value = !paletteOpen.value;
    return;
  }
  const target = askable(event);
  if (!target) return;
  const destination = event.timeStamp < goUntil ? PAGES.find(([key]) => key === event.key) : undefined;

  goUntil = event.key === "g" ? event.timeStamp + 1000 : 0;
  if (destination) {
    event.preventDefault();
    navigate(destination[1]);
    return;
  }
  const handler = handlers[event.key];
  if (!handler) return;
  if (event.key !== "Enter") event.preventDefault();
  handler(target);
}

export function installKeys(): void {
  document.addEventListener("keydown", onKey);
}
