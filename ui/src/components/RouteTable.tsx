// SPDX-License-Identifier: Apache-2.0
//
// Which request goes where: host and path, the service, its endpoints and what they carry.
import type { JSX } from "preact";
import { t } from "../i18n";
import { integer } from "../lib/format";
import { servicePath } from "../lib/router";
import type { Endpoint, Route } from "../store/types";
import { Link } from "./Link";
import { Mark } from "./StateMark";

function EndpointLine({ endpoint, service }: { endpoint: Endpoint; service: string }): JSX.Element {
  return (
    <li class="state">
      <Mark shape={endpoint.ready ? "running" : "stopped"} />
      <span class="mono">
        {service}-{endpoint.replica} {endpoint.address}
      </span>
    </li>
  );
}

const sum = (route: Route, field: "requests" | "errors" | "in_flight"): number =>
  route.endpoints.reduce((total, endpoint) => total + (endpoint[field] ?? 0), 0);

function Row({ route, project }: { route: Route; project: string }): JSX.Element {
  const { table, routes } = t.value;
  const ready = route.endpoints.filter((endpoint) => endpoint.ready).length;

  return (
    <tr>
      <td class="mono path">
        {route.host || <span class="dim">{table.anyHost}</span>}
        <span class="dim">{route.path ?? "/"}</span>
        {route.strip_prefix && <span class="pill desk">{table.strip}</span>}
      </td>
      <td>
        <Link to={servicePath(project, route.service)} class="service-name">
          {route.service}
        </Link>
        <span class="touch">{routes.ready(ready, route.endpoints.length)}</span>
      </td>
      <td class="desk dim">{route.balance ?? ""}</td>
      <td class="desk">
        {ready === 0 ? (
          <span class="state bad">
            <Mark shape="crashed" />
            {routes.noEndpoint}
          </span>
        ) : (
          <ul class="endpoints" aria-label={routes.ready(ready, route.endpoints.length)}>
            {route.endpoints.map((endpoint) => (
              <EndpointLine key={endpoint.replica} endpoint={endpoint} service={route.service} />
            ))}
          </ul>
        )}
      </td>
      <td class="num">{integer(sum(route, "requests"))}</td>
      <td class="num">{integer(sum(route, "errors"))}</td>
      <td class="num desk">{integer(sum(route, "in_flight"))}</td>
    </tr>
  );
}

export function RouteTable({ project, rows }: { project: string; rows: readonly Route[] }): JSX.Element {
  const { table } = t.value;

  return (
    <div class="scroller">
      <table class="table" aria-label={t.value.routes.title}>
        <thead>
          <tr>
            <th scope="col">{table.host}</th>
            <th scope="col">{table.service}</th>
            <th scope="col" class="desk">{table.balance}</th>
            <th scope="col" class="desk">{table.endpoints}</th>
            <th scope="col" class="num">{table.requests}</th>
            <th scope="col" class="num">{table.errors}</th>
            <th scope="col" class="num desk">{table.inFlight}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((route) => (
            <Row key={`${route.host} ${route.path} ${route.service}`} route={route} project={project} />
          ))}
        </tbody>
      </table>
    </div>
  );
}
