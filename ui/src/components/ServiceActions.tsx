// SPDX-License-Identifier: Apache-2.0
//
// What can be done to one service. Only what makes sense now is offered.
import type { JSX } from "preact";
import { t } from "../i18n";
import { navigate } from "../lib/router";
import { ask, isUp } from "../store/actions";
import { serviceKey, type Service } from "../store/types";
import type { Verb } from "../store/ui";
import { workingOn } from "../store/working";
import { Menu, type MenuItem } from "./Menu";

function itemsFor(service: Service, withMain: boolean): MenuItem[] {
  const { action } = t.value;
  const items: MenuItem[] = [];

  if (!isUp(service)) items.push({ label: action.start, run: () => ask("start", service) });
  if (isUp(service) && withMain) items.push({ label: action.restart, run: () => ask("restart", service) });
  if (isUp(service)) items.push({ label: action.stop, run: () => ask("stop", service) });
  items.push({ label: action.scale, run: () => ask("scale", service) });
  if (service.overrides?.length) items.push({ label: action.reset, run: () => ask("reset", service) });
  if (withMain) {
    items.push({ label: action.logs, run: () => navigate(`/logs?service=${encodeURIComponent(service.name)}`) });
  }
  return items;
}

/** One small menu, for table rows. */
export function RowActions({ service }: { service: Service }): JSX.Element {
  return <Menu label={t.value.action.menu(service.name)} items={itemsFor(service, true)} />;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** While its verb is carried out a button says so and does nothing more; it keeps the focus. */
function Act({ verb, label, service, main = false }: { verb: Verb; label: string; service: Service; main?: boolean }): JSX.Element {
  const busy = workingOn(serviceKey(service.project, service.name))?.verb === verb;

  return (
    <button
      type="button"
      class={`button ${main ? "main" : ""}`}
      aria-disabled={busy}
      aria-busy={busy}
      onClick={() => !busy && ask(verb, service)}
    >
      {busy ? capital(t.value.working[verb]) : label}
    </button>
  );
}

/** Buttons, for the service's own page. */
export function PageActions({ service }: { service: Service }): JSX.Element {
  const { action } = t.value;
  const verb = workingOn(serviceKey(service.project, service.name))?.verb;
  // A start makes it "starting" at once: its button stays until it is done.
  const up = verb === "start" ? false : isUp(service);

  return (
    <div class="toolbar">
      <Act main verb={up ? "restart" : "start"} label={up ? action.restart : action.start} service={service} />
      {(up || verb === "stop" || verb === "start") && <Act verb="stop" label={action.stop} service={service} />}
      <Act verb="scale" label={action.scale} service={service} />
      {!!service.overrides?.length && <Act verb="reset" label={action.reset} service={service} />}
    </div>
  );
}
