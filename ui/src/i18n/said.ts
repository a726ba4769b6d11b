// SPDX-License-Identifier: Apache-2.0
//
// What muelle itself says (events, reasons) arrives in English, as the command line and the logs have it. Here is the
// Spanish of those sentences; what is quoted in them (a program's last line, an error of the system) stays as it is.
import { lang } from "../lib/prefs";

type Rule = readonly [pattern: RegExp, spanish: string];

const SIGNALS: Record<string, string> = {
  "hang-up": "desconexión",
  interrupt: "interrupción",
  quit: "abandono",
  trap: "trampa",
  "user signal 1": "señal de usuario 1",
  "user signal 2": "señal de usuario 2",
  "illegal instruction": "instrucción ilegal",
  aborted: "abortado",
  "bus error": "error de bus",
  "arithmetic error": "error aritmético",
  killed: "matado",
  "segmentation fault": "violación de segmento",
  "broken pipe": "tubería rota",
  alarm: "alarma",
  terminated: "terminado",
  "CPU time limit": "límite de tiempo de CPU",
  "file size limit": "límite de tamaño de archivo",
  "forbidden system call": "llamada al sistema prohibida",
  "core dumped": "con volcado de memoria",
};

/** The beginning of a sentence; what follows it is translated by the next rule that fits. */
const BEGINNINGS: readonly Rule[] = [
  [/^starts again \(restart (\d+)\): /, "arranca de nuevo (reinicio $1): "],
  [/^starts again \(restart (\d+)\)/, "arranca de nuevo (reinicio $1)"],
  [/^starts$/, "arranca"],
  [/^is ready$/, "está lista"],
  [/^is unhealthy: /, "no está sana: "],
  [/^completed$/, "ha terminado"],
  [/^stopped$/, "se ha parado"],
  [/^killed: out of memory/, "matado: sin memoria"],
  [/^ended, status unknown/, "terminó, estado desconocido"],
  [/^stopped by signal (\d+)/, "parado por la señal $1"],
  [/^killed by signal (\d+)/, "matado por la señal $1"],
  [/^killed after (.+): it did not stop within /, "matado tras $1: no paró en "],
  [/^stopped, exit code (\d+)/, "parado, código de salida $1"],
  [/^exited (\d+)/, "terminó con $1"],
  [/^command not found: (\S+) \(no shell reads it: put variables under 'environment'\)/,
    "orden no encontrada: $1 (no la lee ningún intérprete: ponga las variables en 'environment')"],
  [/^command not found: (\S+)( \(looked in (.*)\))?/, "orden no encontrada: $1$2"],
  [/^could not start: /, "no pudo arrancar: "],
  [/^not executable: /, "no es ejecutable: "],
  [/^not a program \(a script needs a #! line\): /, "no es un programa (un guion necesita una línea #!): "],
  [/^working directory /, "carpeta de trabajo "],
  [/^cannot become user /, "no puede ser el usuario "],
  [/^port (\d+) is taken by a process of user /, "el puerto $1 lo tiene un proceso del usuario "],
  [/^port (\d+) is taken by /, "el puerto $1 lo tiene "],
  [/^nothing answers on port (\d+)/, "nada responde en el puerto $1"],
  [/^probe GET (\S+) /, "sonda GET $1: "],
  [/^gRPC health check said /, "la prueba de salud gRPC dijo "],
  [/^health command /, "orden de salud: "],
  [/^answered (\d+)/, "respondió $1"],
  [/^no answer$/, "sin respuesta"],
  [/^drained by /, "vaciada por "],
  [/^scaled to 0; '(.+)' starts it$/, "escalado a 0; '$1' lo arranca"],
  [/^gets no requests: all its replicas are drained$/, "no recibe peticiones: todas sus réplicas están vaciadas"],
  [/^gets no requests: all its replicas have weight 0$/, "no recibe peticiones: todas sus réplicas tienen peso 0"],
  [/^gets no requests: its replicas are drained or have weight 0$/, "no recibe peticiones: sus réplicas están vaciadas o tienen peso 0"],
  [/^nothing answers on its socket\b/, "nada responde en su socket"],
  [/^health command does not start$/, "la orden de salud no arranca"],
  [/^timed out/, "no terminó a tiempo"],
  [/^was killed by signal (\d+)/, "la mató la señal $1"],
  [/^has no command$/, "no tiene ninguna orden"],
  [/^needs an engine driver; none is configured$/, "necesita un motor de contenedores; no hay ninguno configurado"],
  [/^waits for (\S+) to be healthy/, "espera a que $1 esté sano"],
  [/^waits for (\S+) to be completed/, "espera a que $1 termine"],
  [/^waits for (\S+) to be started/, "espera a que $1 arranque"],
  [/^waits to follow a restart$/, "espera para seguir un reinicio"],
  [/^truncated its own (\w+); lines that were not read yet are lost\./, "truncó su propio $1; se perdieron líneas sin leer."],
  [/^wrote more than could be kept: (\d+) bytes of its (\w+) are missing\./, "escribió más de lo que cabe: faltan $1 bytes de su $2."],
  [/^Project (\S+) is down: nothing of it is left\./, "El proyecto $1 está parado: no queda nada de él."],
  [/^Project (\S+) is taken down by /, "El proyecto $1 lo para "],
  [/^Project (\S+) applied: /, "Proyecto $1 aplicado: "],
  [/^Project (\S+) changed: /, "Proyecto $1 cambiado: "],
  [/^Service (\S+) is started by /, "El servicio $1 lo arranca "],
  [/^Service (\S+) is stopped by /, "El servicio $1 lo para "],
  [/^Service (\S+) is restarted by /, "El servicio $1 lo reinicia "],
  [/^Service (\S+) is reset to its file by /, "El servicio $1 lo devuelve a su archivo "],
  [/^Service (\S+) is scaled to (\d+) by /, "El servicio $1 lo escala a $2 "],
  [/^Service (\S+) is weighed by /, "El servicio $1 lo pondera "],
  [/^Service (\S+) is drained by /, "El servicio $1 lo vacía "],
  [/^Replica (\d+) of service (\S+) weighs (\d+) by /, "La réplica $1 del servicio $2 pesa $3 por "],
  [/^Replica (\d+) of service (\S+) is drained by /, "La réplica $1 del servicio $2 la vacía "],
  [/^Replica (\d+) of service (\S+) gets requests again by /, "A la réplica $1 del servicio $2 le devuelve las peticiones "],
  [/^The breaker of service (\S+) is open: it failed too often of late\./, "El disyuntor del servicio $1 está abierto: ha fallado demasiado últimamente."],
  [/^The breaker of service (\S+) is closed again; it had opened (\d+) times\./, "El disyuntor del servicio $1 vuelve a estar cerrado; se había abierto $2 veces."],
  [/^The breaker of service (\S+) is closed again\./, "El disyuntor del servicio $1 vuelve a estar cerrado."],
  [/^Replica (\d+) of service (\S+) gets no requests for (\d+) s: /, "La réplica $1 del servicio $2 no recibe peticiones durante $3 s: "],
  [/^it failed several times in a row/, "ha fallado varias veces seguidas"],
  [/^too few of its answers were good/, "muy pocas de sus respuestas eran buenas"],
  [/^it was much slower than the others/, "era mucho más lenta que las demás"],
  [/^it failed(?=\.)/, "ha fallado"],
  [/^The certificate (.+) can be used again, and serves\./, "El certificado $1 se puede usar de nuevo, y sirve."],
  [/^The certificate (.+) cannot be used \((.+)\); the one that served before serves on until it is mended\./, "El certificado $1 no se puede usar ($2); el que servía antes sigue sirviendo hasta que se arregle."],
  [/^The certificate (.+) ended on (\S+)\./, "El certificado $1 terminó el $2."],
  [/^The certificate (.+) ends on (\S+), days left: (\S+)\./, "El certificado $1 termina el $2; días que quedan: $3."],
  [/^No OCSP answer to staple, and clients refuse this certificate without one: /, "No hay respuesta OCSP que grapar, y los clientes rechazan este certificado sin ella: "],
  [/^No OCSP answer to staple: /, "No hay respuesta OCSP que grapar: "],
  [/^Connections ended to make room for others \((\S+)\): (\d+)\./, "Conexiones terminadas para dejar sitio a otras ($1): $2."],
  [/^Connections refused because their address had as many as it may \((\S+)\): (\d+)\./, "Conexiones rechazadas porque su dirección ya tenía todas las que puede ($1): $2."],
  [/^Connections refused because their address opened too many a second \((\S+)\): (\d+)\./, "Conexiones rechazadas porque su dirección abrió demasiadas por segundo ($1): $2."],
  [/^Requests ended because their body came too slowly \((\S+)\): (\d+)\./, "Peticiones terminadas porque su cuerpo llegaba demasiado despacio ($1): $2."],
  [/^Answers cut because the client read too slowly \((\S+)\): (\d+)\./, "Respuestas cortadas porque el cliente leía demasiado despacio ($1): $2."],
  [/^Connections ended because of too many oddities \((.+)\): (\d+)\./, "Conexiones terminadas por demasiadas rarezas ($1): $2."],
  [/^Connections closed without a good header of the PROXY protocol, or not of a trusted proxy \((\S+)\): (\d+)\./, "Conexiones cerradas sin una buena cabecera del protocolo PROXY, o que no son de un proxy de confianza ($1): $2."],
  [/^Reload changed nothing: /, "La recarga no cambió nada: "],
  [/^The keeper is gone; it is started again\. Services run on\./, "El keeper no está; se arranca de nuevo. Los servicios siguen."],
  [/^There are more pairs of route and replica than one thread of the edge counts apart \((\d+)\): further ones are counted together, without a service\./, "Hay más pares de ruta y réplica de los que un hilo del edge cuenta por separado ($1): los demás se cuentan juntos, sin servicio."],
  [/^The edge ended and was started again \(pid (\d+)\)\.$/, "El edge terminó y se arrancó de nuevo (pid $1)."],
  [/^The edge ended and was started again \(pid (\d+)\)\. Nothing was under way in it\./, "El edge terminó y se arrancó de nuevo (pid $1). No había nada en curso."],
  [/^The edge ended and was started again \(pid (\d+)\)\. Lost with it: requests under way: (\d+), tunnels: (\d+)\./, "El edge terminó y se arrancó de nuevo (pid $1). Se perdieron con él: peticiones en curso: $2, túneles: $3."],
  [/^Another edge took the place of the one before \(pid (\d+)\)\./, "Otro edge ocupó el lugar del anterior (pid $1)."],
  [/^A new core \(pid (\d+)\) took over 1 running process\./, "Un núcleo nuevo (pid $1) se hizo cargo de 1 proceso en marcha."],
  [/^A new core \(pid (\d+)\) took over (\d+) running processes\./, "Un núcleo nuevo (pid $1) se hizo cargo de $2 procesos en marcha."],
  [/^A new core \(pid (\d+)\) took over; nothing was running\./, "Un núcleo nuevo (pid $1) tomó el relevo; no había nada en marcha."],
  [/^The disk is full: logs wait in the services' output files\./, "El disco está lleno: los registros esperan en los archivos de salida."],
  [/^There is room again: logs are stored, no output was lost\./, "Vuelve a haber sitio: los registros se guardan, no se perdió ninguna salida."],
  [/^There is room again: logs are stored; (\d+) bytes of output did not find room meanwhile\./, "Vuelve a haber sitio: los registros se guardan; entretanto no cupieron $1 bytes de salida."],
];

const CHANGES: Record<string, string> = {
  new: "nuevos",
  "restarted with them": "reiniciados con ellos",
  restarted: "reiniciados",
  scaled: "escalados",
  updated: "actualizados",
  removed: "quitados",
  unchanged: "sin cambios",
};

/** What may follow such a beginning: which signal, after how long, the last line. */
function ending(rest: string): string {
  const signal = /^ \(([a-zA-Z0-9 -]+?)(, core dumped)?\)/.exec(rest);
  if (signal && SIGNALS[signal[1]!]) {
    const dumped = signal[2] ? `, ${SIGNALS["core dumped"]}` : "";
    return ` (${SIGNALS[signal[1]!]}${dumped})${ending(rest.slice(signal[0].length))}`;
  }
  const after = /^ after (\d+ (?:ms|s|min|h)(?: \d+ min)?)/.exec(rest);
  if (after) return ` tras ${after[1]}${ending(rest.slice(after[0].length))}`;
  if (rest === ", which has failed") return ", que ha fallado";
  if (rest.startsWith(", last line: ")) return `, última línea: ${rest.slice(13)}`;
  return rest;
}

const changes = (rest: string): string =>
  rest.replace(/(\d+) (new|restarted with them|restarted|scaled|updated|removed|unchanged)\b/g, (_, count: string, word: string) => `${count} ${CHANGES[word]!}`);

/** The Spanish of a sentence of muelle's; one that is not known stays as it is. */
export function spanish(text: string): string {
  const ill = /^unhealthy: (.+); (?=killed|stopped|exited|ended)/.exec(text);
  if (ill) return `no estaba sana: ${spanish(ill[1]!)}; ${spanish(text.slice(ill[0].length))}`;
  for (const [pattern, words] of BEGINNINGS) {
    const found = pattern.exec(text);
    if (!found) continue;
    const rest = text.slice(found[0].length);
    const begun = found[0].replace(pattern, words).replace("(looked in", "(buscada en");
    if (pattern.source.startsWith("^Project") && /: $/.test(begun)) return begun + changes(rest);
    return begun + (/: $/.test(begun) ? spanish(rest) : ending(rest));
  }
  return text;
}

export const said = (text: string): string => (lang.value === "es" ? spanish(text) : text);
