// SPDX-License-Identifier: Apache-2.0
//
// What a person can do to a service, the command line that does the same, and how it is undone.
import { t } from "../i18n";
import { copyText } from "../lib/clipboard";
import { ApiError, del, post, projectUrl, serviceUrl } from "./api";
import { putService, serviceKeys, serviceSignal } from "./store";
import { dependencyName, replicasWanted, serviceKey, type Service } from "./types";
import { pending, toast, type Pending, type Verb } from "./ui";
import { acceptWork, beginWork, endWork } from "./working";

/** Verbs that hurt, or need a number, ask first. */
const ASKS: ReadonlySet<Verb> = new Set(["stop", "restart", "scale", "reset", "down"]);

export const isUp = (service: Service): boolean =>
  service.state !== "stopped" && service.state !== "completed" && service.state !== "stopping";

export function commandLine(verb: Verb, service: string, replicas = 1): string {
  if (verb === "down") return "muelle down";
  return verb === "scale" ? `muelle scale ${service}=${replicas}` : `muelle ${verb} ${service}`;
}

export function ask(verb: Verb, service: Service): void {
  const wish: Pending = { verb, project: service.project, service: service.name, replicas: replicasWanted(service), routed: !!service.urls?.length };

  if (ASKS.has(verb)) pending.value = wish;
  else void carryOut(wish);
}

export function askDown(project: string): void {
  pending.value = { verb: "down", project, service: "", replicas: 0, routed: true };
}

/** Services that need this one: a person should know before stopping it. */
export function dependentsOf(project: string, name: string): string[] {
  return serviceKeys
    .peek()
    .map((key) => serviceSignal(key)?.peek())
    .filter((s): s is Service => !!s && s.project === project && (s.depends_on ?? []).map(dependencyName).includes(name))
    .map((s) => s.name);
}

/** What a person should read, and what to do about it. */
export function explained(error: unknown): { detail: string; hint: string } {
  if (!(error instanceof ApiError)) return { detail: String(error), hint: "" };
  if (error.status === 0) return { detail: t.peek().error.offline, hint: "" };
  const { detail, hint, title } = error.problem;
  return { detail: detail ?? title ?? t.peek().error.code(error.status), hint: hint ?? "" };
}

export function explain(error: unknown): string {
  const { detail, hint } = explained(error);

  return [detail, hint].filter(Boolean).join(" ");
}

function inverse(wish: Pending, before: Service | undefined): (() => void) | undefined {
  if (wish.verb === "stop") return () => void carryOut({ ...wish, verb: "start" });
  if (wish.verb === "scale" && before && before.replicas.desired !== wish.replicas) {
    return () => void carryOut({ ...wish, replicas: before.replicas.desired });
  }
  return undefined;
}

function doneText(wish: Pending): string {
  const { done } = t.peek();

  if (wish.verb === "scale") return done.scale(wish.service, wish.replicas);
  return wish.verb === "down" ? done.down(wish.project) : done[wish.verb](wish.service);
}

async function send(wish: Pending, key: string): Promise<void> {
  const body = wish.verb === "scale" ? { replicas: wish.replicas } : {};

  beginWork(key, wish.verb, wish.replicas);
  try {
    const answer = await post<Service | null>(serviceUrl(wish.project, wish.service, `/${wish.verb}`), body);
    if (answer?.name && answer.replicas) putService(answer);
    acceptWork(key);
  } catch (error) {
    endWork(key);
    throw error;
  }
}

export async function carryOut(wish: Pending): Promise<void> {
  const key = serviceKey(wish.project, wish.service);
  const before = serviceSignal(key)?.peek();

  try {
    if (wish.verb === "down") await del(projectUrl(wish.project));
    else await send(wish, key);
    const undo = inverse(wish, before);
    toast(doneText(wish), undo ? { undo } : {});
  } catch (error) {
    const verb = t.peek().action[wish.verb].replace("…", "").toLowerCase();
    toast(t.peek().error.action(verb, wish.service || wish.project), { bad: true, ...explained(error) });
  }
}

export async function copy(text: string): Promise<void> {
  if (await copyText(text)) toast(t.peek().done.copied(text.length > 80 ? text.slice(0, 79) + "…" : text));
}
