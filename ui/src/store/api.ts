// SPDX-License-Identifier: Apache-2.0
//
// REST calls. Every failure becomes an ApiError that carries what a person should read and do.
import type { Problem } from "./types";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.detail ?? problem.title);
  }
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as Partial<Problem>;
    return { ...body, title: body.title ?? response.statusText, status: response.status };
  } catch {
    return { title: response.statusText || String(response.status), status: response.status };
  }
}

async function call(method: string, url: string, body?: unknown): Promise<unknown> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  // The same press of a button is carried out once, even if the network makes us send it twice.
  if (method === "POST") headers["Idempotency-Key"] = randomKey();

  let response: Response;
  try {
    response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  } catch {
    throw new ApiError(0, { title: "offline", code: "offline" });
  }
  if (!response.ok) throw new ApiError(response.status, await problemOf(response));
  return response.status === 204 ? null : ((await response.json().catch(() => null)) as unknown);
}

/** crypto.randomUUID exists only in secure contexts; http://hello.lan is none. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

export const get = <T>(url: string): Promise<T> => call("GET", url) as Promise<T>;
export const post = <T>(url: string, body: unknown = {}): Promise<T> => call("POST", url, body) as Promise<T>;
export const del = (url: string): Promise<unknown> => call("DELETE", url);

/** Follows next_cursor until the end or until `max` items; keeps the last ones. */
export async function getAll<T>(url: string, max: number): Promise<T[]> {
  let items: T[] = [];
  let cursor: string | null = null;

  do {
    const next: string = cursor === null ? url : `${url}&cursor=${encodeURIComponent(cursor)}`;
    const page: { items: T[]; next_cursor?: string | null } = await get(next);
    items = items.concat(page.items);
    cursor = page.items.length > 0 ? (page.next_cursor ?? null) : null;
  } while (cursor !== null && items.length < max);
  return items;
}

export const projectUrl = (project: string, rest = ""): string =>
  `/api/v1/projects/${encodeURIComponent(project)}${rest}`;

export const serviceUrl = (project: string, service: string, rest = ""): string =>
  projectUrl(project, `/services/${encodeURIComponent(service)}${rest}`);
