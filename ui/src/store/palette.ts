// SPDX-License-Identifier: Apache-2.0
//
// What the palette offers: everything the command line does, with its line. What only a terminal can do
// (exec, run, reload …) is offered too: choosing it copies the line.
import type { Messages } from "../i18n/en";
import { lang, setLang, toggleTheme } from "../lib/prefs";
import { navigate, servicePath } from "../lib/router";
import { ask, askDown, commandLine, copy, isUp } from "./actions";
import { allServices, projects } from "./store";
import { replicasWanted, type Service } from "./types";
import { helpOpen } from "./ui";

export interface Command {
  label: string;
  /** The command line that does the same; empty when there is none. */
  line: string;
  run: () => void;
  /** True when choosing it only copies the line. */
  copies?: boolean;
}

function ofService(service: Service, t: Messages): Command[] {
  const { name } = service;
  const p = t.palette;
  const commands: Command[] = [
    { label: p.goTo(name), line: `muelle ps ${name}`, run: () => navigate(servicePath(service.project, name)) },
    { label: p.logsOf(name), line: `muelle logs -f ${name}`, run: () => navigate(`/logs?service=${encodeURIComponent(name)}`) },
  ];

  for (const verb of isUp(service) ? (["restart", "stop"] as const) : (["start"] as const)) {
    commands.push({ label: p[verb](name), line: commandLine(verb, name), run: () => ask(verb, service) });
  }
  commands.push({
    label: p.scale(name),
    line: commandLine("scale", name, replicasWanted(service)),
    run: () => ask("scale", service),
  });
  if (service.overrides?.length) {
    commands.push({ label: p.reset(name), line: commandLine("reset", name), run: () => ask("reset", service) });
  }
  for (const url of (service.urls ?? []).filter((one) => /^https?:\/\//.test(one))) {
    commands.push({ label: p.open(url), line: "", run: () => void window.open(url, "_blank", "noopener") });
  }
  const exec = `muelle exec ${name} sh`;
  commands.push({ label: p.inTerminal.exec(name), line: exec, copies: true, run: () => void copy(exec) });
  return commands;
}

function pages(t: Messages): Command[] {
  const go = (label: string, line: string, to: string): Command => ({ label: t.palette.goTo(label), line, run: () => navigate(to) });

  return [
    go(t.nav.overview, "muelle ps", "/"),
    go(t.nav.routes, "muelle routes", "/routes"),
    go(t.nav.events, "muelle events", "/events"),
    { label: t.palette.allLogs, line: "muelle logs -f", run: () => navigate("/logs") },
    go(t.nav.config, "muelle config", "/config"),
  ];
}

function inTerminal(t: Messages): Command[] {
  const words = t.palette.inTerminal;
  const copied = (label: string, line: string): Command => ({ label, line, copies: true, run: () => void copy(line) });

  return [
    copied(words.plan, "muelle plan"),
    copied(words.reload, "muelle reload"),
    copied(words.up, "muelle up -d --wait"),
    copied(words.status, "muelle status"),
    copied(words.top, "muelle top"),
    copied(words.doctor, "muelle doctor"),
    copied(words.run, "muelle run SERVICE COMMAND"),
    copied(words.init, "muelle init"),
    copied(words.version, "muelle version"),
    copied(words.completion, "muelle completion bash"),
  ];
}

export function commands(t: Messages): Command[] {
  return [
    ...pages(t),
    ...allServices.value.flatMap((service) => ofService(service, t)),
    { label: t.palette.theme, line: "", run: toggleTheme },
    { label: t.palette.language, line: "", run: () => setLang(lang.peek() === "es" ? "en" : "es") },
    { label: t.palette.help, line: "", run: () => void (helpOpen.value = true) },
    ...projects.value.map((project) => ({
      label: t.palette.down(project),
      line: "muelle down",
      run: () => askDown(project),
    })),
    ...inTerminal(t),
  ];
}

const fold = (text: string): string => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** Every word typed must be in the label or the line; words that begin a word count more;
 * among equals the order of the list stays, in which the harmless stands first. */
export function search(all: readonly Command[], typed: string): Command[] {
  const words = fold(typed).split(/\s+/).filter(Boolean);
  const score = (command: Command): number => {
    const text = ` ${fold(command.label)} ${command.line}`;
    return words.reduce((total, word) => {
      const at = text.indexOf(word);
      return at < 0 ? -Infinity : total + (text.includes(` ${word}`) ? 2 : 1);
    }, 0);
  };

  return all
    .map((command) => ({ command, points: score(command) }))
    .filter(({ points }) => points > -Infinity)
    .sort((a, b) => b.points - a.points)
    .map(({ command }) => command);
}
