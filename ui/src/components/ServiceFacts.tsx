// SPDX-License-Identifier: Apache-2.0
//
// The facts of a service that fit in two lines, with what was changed at run time.
import type { ComponentChildren, JSX } from "preact";
import { t } from "../i18n";
import { servicePath } from "../lib/router";
import { dependencyName, replicasWanted, type Service } from "../store/types";
import { Health } from "./Health";
import { Link } from "./Link";
import { Ago, Since } from "./Time";

function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Only links that a browser opens safely; anything else is shown as text. */
function Address({ url }: { url: string }): JSX.Element {
  return /^https?:\/\//.test(url) ? (
    <a class="mono" href={url} target="_blank" rel="noopener noreferrer">
      {url}
    </a>
  ) : (
    <span class="mono">{url}</span>
  );
}

function Overrides({ service }: { service: Service }): JSX.Element {
  const words = t.value.service;

  return (
    <Fact name={t.value.table.overrides}>
      {service.overrides!.map((one) => (
        <span key={one.field} class="pill">
          {words.overridden(one.field, String(one.value))} {one.actor && words.by(one.actor)} {one.time && <Ago at={one.time} />}
        </span>
      ))}
    </Fact>
  );
}

export function ServiceFacts({ service }: { service: Service }): JSX.Element {
  const { table } = t.value;
  const needs = (service.depends_on ?? []).map(dependencyName);

  return (
    <dl class="facts">
      <Fact name={table.health}>
        <Health health={service.health} state={service.state} />
      </Fact>
      <Fact name={table.replicas}>{table.ready(service.replicas.ready, replicasWanted(service))}</Fact>
      <Fact name={table.restarts}>{service.restarts}</Fact>
      <Fact name={table.up}>
        <Since at={service.started_at} />
      </Fact>
      {needs.length > 0 && (
        <Fact name={table.dependsOn}>
          {needs.map((name, i) => (
            <span key={name}>
              {i > 0 && ", "}
              <Link to={servicePath(service.project, name)}>{name}</Link>
            </span>
          ))}
        </Fact>
      )}
      {!!service.urls?.length && (
        <Fact name={table.addresses}>
          {service.urls.map((url, i) => (
            <span key={url}>
              {i > 0 && ", "}
              <Address url={url} />
            </span>
          ))}
        </Fact>
      )}
      {service.generation !== undefined && <Fact name={table.generation}>{service.generation}</Fact>}
      {!!service.overrides?.length && <Overrides service={service} />}
    </dl>
  );
}
