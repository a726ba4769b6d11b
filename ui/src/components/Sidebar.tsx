// SPDX-License-Identifier: Apache-2.0
//
// Pages and services, always there, live. Services stand by dependency: what others need comes first.
import type { JSX } from "preact";
import { t } from "../i18n";
import { said } from "../i18n/said";
import { perSecond } from "../lib/format";
import { servicePath } from "../lib/router";
import { PAGES } from "../store/keys";
import { instance, projects, ringOf, serviceKeys, serviceSignal, tick } from "../store/store";
import { replicasWanted } from "../store/types";
import { Link } from "./Link";
import { Sparkline } from "./Sparkline";
import { Mark } from "./StateMark";
import { Since } from "./Time";

export const pageName = (path: string): string => {
  const { nav } = t.value;
  const names: Record<string, string> = {
    "/": nav.overview,
    "/routes": nav.routes,
    "/events": nav.events,
    "/logs": nav.logs,
    "/config": nav.config,
  };

  return names[path] ?? path;
};

function ServiceLink({ of }: { of: string }): JSX.Element | null {
  const service = serviceSignal(of)?.value;
  tick.value;
  if (!service) return null;
  const rate = perSecond(ringOf(of).latest("requests"));

  return (
    <li>
      <Link to={servicePath(service.project, service.name)} title={service.reason ? said(service.reason) : undefined}>
        <Mark shape={service.state} label={t.value.state[service.state]} />
        <span class="name">{service.name}</span>
        <Sparkline of={of} figure="requests" label={t.value.figure.requests} text={rate} floor={2} />
        <span class="count" title={t.value.table.ready(service.replicas.ready, replicasWanted(service))}>
          {service.replicas.ready}/{replicasWanted(service)}
        </span>
      </Link>
    </li>
  );
}

function Foot(): JSX.Element | null {
  const about = instance.value;
  if (!about) return null;

  return (
    <footer class="foot">
      <span title={about.id}>muelle {about.version}</span>
      {about.started_at && (
        <span>
          {t.value.table.up.toLowerCase()} <Since at={about.started_at} />
        </span>
      )}
      {about.edge && (
        <span>
          keeper {about.keeper?.pid} · core {about.core?.pid}
          <br />
          edge {about.edge.pid} · {t.value.overview.threads(about.edge.threads)}
        </span>
      )}
    </footer>
  );
}

export function Sidebar(): JSX.Element {
  const several = projects.value.length > 1;

  return (
    <div class="side">
      <nav aria-label={t.value.nav.main}>
        <ul>
          {PAGES.map(([key, path]) => (
            <li key={path}>
              <Link to={path}>
                <span class="name">{pageName(path)}</span>
                <kbd aria-hidden="true">g {key}</kbd>
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      {projects.value.map((project) => (
        <nav key={project} aria-label={several ? project : t.value.nav.services}>
          <h2>{several ? project : t.value.nav.services}</h2>
          <ul>
            {serviceKeys.value
              .filter((key) => key.startsWith(project + "/"))
              .map((key) => (
                <ServiceLink key={key} of={key} />
              ))}
          </ul>
        </nav>
      ))}
      <Foot />
    </div>
  );
}

/** The pages again, as the tabs of a phone. */
export function Tabs(): JSX.Element {
  return (
    <nav class="tabs" aria-label={t.value.nav.main}>
      {PAGES.map(([, path]) => (
        <Link key={path} to={path}>
          {path === "/config" ? t.value.nav.configShort : pageName(path)}
        </Link>
      ))}
    </nav>
  );
}
