// SPDX-License-Identifier: Apache-2.0
import type { JSX } from "preact";
import { Empty } from "../components/Empty";
import { LoadProblem } from "../components/LoadProblem";
import { RouteTable } from "../components/RouteTable";
import { useLoad } from "../components/load";
import { t } from "../i18n";
import { clock } from "../lib/format";
import { projectUrl } from "../store/api";
import { allServices, projects } from "../store/store";
import type { Route } from "../store/types";

/** Routes are not on the stream; they are read again when a service's state or readiness changed. */
function useFingerprint(project: string): string {
  return allServices.value
    .filter((service) => service.project === project)
    .map((service) => `${service.name}:${service.state}:${service.replicas.ready}:${service.generation}`)
    .join();
}

function ProjectRoutes({ project, several }: { project: string; several: boolean }): JSX.Element | null {
  const loaded = useLoad<{ items: Route[] }>(projectUrl(project, "/routes"), useFingerprint(project)).value;
  const words = t.value.routes;
  if (loaded.error && !loaded.data) return <LoadProblem error={loaded.error} />;
  if (!loaded.data) return null;

  return (
    <section>
      {several && <h2>{project}</h2>}
      {loaded.data.items.length === 0 ? (
        <Empty title={words.none} hint={words.noneHint} command="muelle reload" />
      ) : (
        <RouteTable project={project} rows={loaded.data.items} />
      )}
      <p class="dim as-of">
        {words.refresh} {clock(loaded.at)}
      </p>
    </section>
  );
}

export function RoutesPage(): JSX.Element {
  return (
    <div>
      <h1>{t.value.routes.title}</h1>
      {projects.value.map((project) => (
        <ProjectRoutes key={project} project={project} several={projects.value.length > 1} />
      ))}
    </div>
  );
}
