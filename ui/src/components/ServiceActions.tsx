// SPDX-License-Identifier: Apache-2.0
//
// What can be done to one service. Only what makes sense now is offered.
import type { JSX } from "preact";
import { t } from "../i18n";
import { navigate } from "../lib/router";
import { ask, isUp } from "../store/actions";
import type { Service } from "../store/types";
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

/** Buttons, for the service's own page. */
export function PageActions({ service }: { service: Service }): JSX.Element {
  const { action } = t.value;
  const up = isUp(service);

  return (
    <div class="toolbar">
      <button type="button" class="button main" onClick={() => ask(up ? "restart" : "start", service)}>
        {up ? action.restart : action.start}
      </button>
      {up && (
        <button type="button" class="button" onClick={() => ask("stop", service)}>
          {action.stop}
        </button>
      )}
      <button type="button" class="button" onClick={() => ask("scale", service)}>
        {action.scale}
      </button>
      {!!service.overrides?.length && (
        <button type="button" class="button" onClick={() => ask("reset", service)}>
          {action.reset}
        </button>
      )}
    </div>
  );
}
