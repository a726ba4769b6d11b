// SPDX-License-Identifier: Apache-2.0
//
// Every page has its own URL; the server answers index.html for all of them.
import { computed, signal } from "@preact/signals";

export type Page =
  | { name: "overview" }
  | { name: "service"; project: string; service: string }
  | { name: "routes" }
  | { name: "events" }
  | { name: "logs" }
  | { name: "config" }
  | { name: "login" }
  | { name: "missing" };

export const path = signal(location.pathname);
export const query = signal(new URLSearchParams(location.search));

export function parse(pathname: string): Page {
  const parts = pathname.split("/").filter(Boolean).map(decodeURIComponent);
  const [first, project, second, service] = parts;

  if (parts.length === 0) return { name: "overview" };
  if (first === "projects" && project && second === "services" && service && parts.length === 4) {
    return { name: "service", project, service };
  }
  if (parts.length === 1 && ["routes", "events", "logs", "config", "login"].includes(first!)) {
    return { name: first as "routes" | "events" | "logs" | "config" | "login" };
  }
  return { name: "missing" };
}

export const page = computed<Page>(() => parse(path.value));

/** Ends in "/" when the name has a dot: the server takes a last segment with a dot for a missing file. */
export function servicePath(project: string, service: string): string {
  const plain = `/projects/${encodeURIComponent(project)}/services/${encodeURIComponent(service)}`;

  return service.includes(".") ? plain + "/" : plain;
}

function read(): void {
  path.value = location.pathname;
  query.value = new URLSearchParams(location.search);
}

export function navigate(to: string, replace = false): void {
  if (to === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  read();
  window.scrollTo(0, 0);
}

/** Keeps what the page shows (a filter, a search) in its URL, so that it can be copied. */
export function setQuery(name: string, value: string): void {
  const next = new URLSearchParams(location.search);

  if (value) next.set(name, value);
  else next.delete(name);
  const text = next.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  query.value = next;
}

window.addEventListener("popstate", read);
