// SPDX-License-Identifier: Apache-2.0
//
// One service, one scroll: state and why, figures, replicas, logs, events, configuration.
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { ConfigView } from "../components/ConfigView";
import { EventList } from "../components/EventList";
import { Link } from "../components/Link";
import { LoadProblem } from "../components/LoadProblem";
import { LogView } from "../components/LogView";
import { ReplicaTable } from "../components/ReplicaTable";
import { Section } from "../components/Section";
import { PageActions } from "../components/ServiceActions";
import { ServiceCharts } from "../components/ServiceCharts";
import { ServiceFacts } from "../components/ServiceFacts";
import { ServiceState } from "../components/ServiceState";
import { useLoad } from "../components/load";
import { t } from "../i18n";
import { said } from "../i18n/said";
import { servicePath } from "../lib/router";
import { serviceUrl } from "../store/api";
import { allServices, events, known, serviceSignal } from "../store/store";
import { serviceKey, type Service } from "../store/types";

const EVENTS_SHOWN = 20;

function Missing({ name }: { name: string }): JSX.Element {
  const words = t.value.service;

  return (
    <div class="empty">
      <h1>{words.missing(name)}</h1>
      <p>{words.missingHint}</p>
      <ul>
        {allServices.value.map((service) => (
          <li key={`${service.project}/${service.name}`}>
            <Link to={servicePath(service.project, service.name)}>{service.name}</Link>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Events({ service }: { service: Service }): JSX.Element {
  const rows = events.value
    .filter((row) => row.service === service.name && (!row.project || row.project === service.project))
    .slice(0, EVENTS_SHOWN);

  return rows.length ? <EventList rows={rows} withService={false} /> : <p class="empty">{t.value.service.noEvents}</p>;
}

function Config({ service }: { service: Service }): JSX.Element | null {
  const loaded = useLoad<Service>(serviceUrl(service.project, service.name), service.generation).value;
  if (loaded.error && !loaded.data) return <LoadProblem error={loaded.error} />;

  return loaded.data?.spec ? <ConfigView value={loaded.data.spec} /> : null;
}

export function ServicePage({ project, name }: { project: string; name: string }): JSX.Element | null {
  const key = serviceKey(project, name);
  const service = serviceSignal(key)?.value;
  const projects = useMemo(() => [project], [project]);
  const words = t.value.service;
  if (!service) return known.value ? <Missing name={name} /> : null;

  return (
    <div>
      <header class="service-head">
        <div>
          <h1>{name}</h1>
          <p class="service-state">
            <ServiceState service={service} />
            {service.reason && <span>{said(service.reason)}</span>}
          </p>
        </div>
        <PageActions service={service} />
      </header>
      <ServiceFacts service={service} />
      <Section id="figures" title={words.figures}>
        <ServiceCharts of={key} service={service} />
      </Section>
      <Section id="replicas" title={words.replicas}>
        <ReplicaTable of={key} />
      </Section>
      <Section id="logs" title={words.logs} link={`/logs?service=${encodeURIComponent(name)}`}>
        <LogView key={key} projects={projects} service={name} />
      </Section>
      <Section id="events" title={words.events} link={`/events?q=${encodeURIComponent(name)}`}>
        <Events service={service} />
      </Section>
      <Section id="config" title={words.config}>
        <Config service={service} />
      </Section>
    </div>
  );
}
