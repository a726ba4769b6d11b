// SPDX-License-Identifier: Apache-2.0
//
// All services, one row each. A row reads its own signal: what changes in one redraws that one.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { said } from "../i18n/said";
import { servicePath } from "../lib/router";
import { bytes, percent } from "../lib/format";
import { ringOf, serviceKeys, serviceSignal, tick } from "../store/store";
import { replicasWanted, type Service } from "../store/types";
import { chosenKey } from "../store/ui";
import { Figure } from "./Figure";
import { Health } from "./Health";
import { Link } from "./Link";
import { RowActions } from "./ServiceActions";
import { ServiceState } from "./ServiceState";
import { Since } from "./Time";

/** A phone has no room for columns: the reason, else the cost, stands under the name. */
function Touch({ of, service }: { of: string; service: Service }): JSX.Element {
  tick.value;
  const ring = ringOf(of);
  const cost = `${percent(ring.latest("cpu") ?? service.cpu_percent)} · ${bytes(ring.latest("memory") ?? service.memory_bytes)}`;

  return <span class="touch">{service.reason ? said(service.reason) : cost}</span>;
}

function Row({ of }: { of: string }): JSX.Element | null {
  const service = serviceSignal(of)?.value;
  const chosen = chosenKey.value === of;
  const row = useRef<HTMLTableRowElement>(null);

  useEffect(() => {
    if (chosen) row.current?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  if (!service) return null;
  const { ready } = service.replicas;
  const wanted = replicasWanted(service);

  return (
    <tr ref={row} class={chosen ? "chosen" : ""} data-service={service.name} onClick={() => (chosenKey.value = of)}>
      <td>
        <ServiceState service={service} />
      </td>
      <td class="wide">
        <Link to={servicePath(service.project, service.name)} class="service-name">
          {service.name}
        </Link>
        {service.reason && <span class="why desk" title={said(service.reason)}>{said(service.reason)}</span>}
        <Touch of={of} service={service} />
      </td>
      <td class="desk">
        <Health health={service.health} state={service.state} />
      </td>
      <td class="num" title={t.value.table.ready(ready, wanted)}>
        {ready}/{wanted}
      </td>
      <td class="num roomy">
        <Figure of={of} figure="requests" />
      </td>
      <td class="num desk">
        <Figure of={of} figure="cpu" fallback={service.cpu_percent} />
      </td>
      <td class="num desk">
        <Figure of={of} figure="memory" fallback={service.memory_bytes} />
      </td>
      <td class="num roomy spare">{service.restarts}</td>
      <td class="num roomy">
        <Since at={service.started_at} />
      </td>
      <td class="row-cell">
        <div class="row-actions">
          <RowActions service={service} />
        </div>
      </td>
    </tr>
  );
}

export function ServiceTable(): JSX.Element {
  const { table } = t.value;

  return (
    <table class="table services" aria-label={t.value.nav.services}>
      <thead>
        <tr>
          <th scope="col">{table.state}</th>
          <th scope="col">{table.service}</th>
          <th scope="col" class="desk">
            {table.health}
          </th>
          <th scope="col" class="num">
            {table.replicas}
          </th>
          <th scope="col" class="num roomy">
            {table.traffic}
          </th>
          <th scope="col" class="num desk">
            {table.cpu}
          </th>
          <th scope="col" class="num desk">
            {table.memory}
          </th>
          <th scope="col" class="num roomy spare">
            {table.restarts}
          </th>
          <th scope="col" class="num roomy">
            {table.up}
          </th>
          <th scope="col">
            <span class="offscreen">{table.actions}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {serviceKeys.value.map((key) => (
          <Row key={key} of={key} />
        ))}
      </tbody>
    </table>
  );
}
