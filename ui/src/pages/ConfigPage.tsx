// SPDX-License-Identifier: Apache-2.0
import type { JSX } from "preact";
import { ConfigView } from "../components/ConfigView";
import { LoadProblem } from "../components/LoadProblem";
import { useLoad } from "../components/load";
import { t } from "../i18n";
import { projectUrl } from "../store/api";
import { allServices, projects } from "../store/store";

function ProjectConfig({ project, several }: { project: string; several: boolean }): JSX.Element | null {
  const generation = allServices.value.filter((s) => s.project === project).map((s) => s.generation).join();
  const loaded = useLoad<unknown>(projectUrl(project, "/config"), generation).value;
  if (loaded.error && !loaded.data) return <LoadProblem error={loaded.error} />;

  return (
    <section>
      {several && <h2>{project}</h2>}
      {loaded.data !== null && <ConfigView value={loaded.data} />}
    </section>
  );
}

export function ConfigPage(): JSX.Element {
  return (
    <div>
      <h1>{t.value.config.title}</h1>
      <p class="dim">{t.value.config.hint}</p>
      {projects.value.map((project) => (
        <ProjectConfig key={project} project={project} several={projects.value.length > 1} />
      ))}
    </div>
  );
}
