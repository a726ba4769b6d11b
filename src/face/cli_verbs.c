/* SPDX-License-Identifier: Apache-2.0
 *
 * The verb table. Names and meanings follow Compose and kubectl where they have the verb; what
 * scripts may rely on (options, JSON, exit codes) is listed in docs/cli.md and held by
 * tests/integration/cli_*.py.
 *
 * A summary is a phrase that can become a sentence (the man page adds the dot); details are whole
 * sentences. Every option that takes a time takes "30s" or "1m30s", every list of services means
 * all when it is empty and that is harmless.
 */
#include "face/verbs.h"

#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }
#define JSON_OPTION                                                                                \
    {                                                                                              \
        .name = "json", .help = { "print JSON for programs", "imprime JSON para programas" }       \
    }

/* Before or behind the verb; a verb that has the same letter wins behind it (`logs -f`). */
const struct cli_option cli_global_options[] = {
    {.name = "file",
     .letter = 'f',
     .value = "FILE",
     .complete = CLI_COMPLETE_FILE,
     .help = {"configuration file; again to merge several (default: muelle.yaml, compose.yaml or "
              "Procfile here or above)",
              "archivo de configuración; varias veces para combinar"}},
    {.name = "project",
     .letter = 'p',
     .value = "NAME",
     .help = {"name of the project (default: the file's)", "nombre del proyecto"}},
    {.name = "state-dir",
     .value = "DIR",
     .complete = CLI_COMPLETE_FOLDER,
     .help = {"folder of the instance's state (default: .muelle beside the file)",
              "carpeta del estado (por defecto: .muelle junto al archivo)"}},
    {.name = "instance",
     .value = "DIR",
     .complete = CLI_COMPLETE_FOLDER,
     .help = {"join the instance with this state folder", "usa la instancia de esa carpeta"}},
    {.name = "profile",
     .value = "NAME",
     .help = {"enable a profile; may be repeated", "activa un perfil; se puede repetir"}},
    {.name = "env-file",
     .value = "FILE",
     .complete = CLI_COMPLETE_FILE,
     .help = {"read variables from FILE instead of .env", "lee variables de FILE en vez de .env"}},
    {.name = "strict",
     .help = {"keys that muelle knows but cannot apply are errors",
              "las claves que no se pueden aplicar son errores"}},
    {.name = "no-color",
     .help = {"no colours (also: NO_COLOR)", "sin colores (también: NO_COLOR)"}},
    {.name = "help", .letter = 'h', .help = {"show this help", "muestra esta ayuda"}},
    END,
};

const struct cli_option cli_lone_options[] = {
    {.name = "version", .letter = 'v', .help = {"print the version", "muestra la versión"}}, END};

/* `--json` prints one object at the end, so it needs an end: -d or --wait. */
static const struct cli_option up_options[] = {
    {.name = "detach",
     .letter = 'd',
     .help = {"start, print the links and return", "arranca, muestra los enlaces y termina"}},
    {.name = "wait",
     .help = {"return when every service is ready, or say which is not",
              "termina cuando todo está listo, o dice qué no lo está"}},
    {.name = "wait-timeout",
     .value = "TIME",
     .help = {"how long --wait waits (default 60s)", "cuánto espera --wait (60s)"}},
    {.name = "json",
     .help = {"with -d or --wait: print what was applied as JSON",
              "con -d o --wait: imprime lo aplicado como JSON"}},
    END};

static const struct cli_option cert_options[] = {
    {.name = "out",
     .value = "DIR",
     .complete = CLI_COMPLETE_FOLDER,
     .help = {"folder for the two files, made if it is not there (default: here)",
              "carpeta de los dos archivos; se crea si falta (aquí)"}},
    {.name = "client",
     .help = {"for a client that is asked for one, not for a server",
              "para un cliente al que se le pide, no para un servidor"}},
    JSON_OPTION,
    END};

static const struct cli_option down_options[] = {
    {.name = "timeout",
     .letter = 't',
     .value = "TIME",
     .help = {"give up waiting after TIME (default 120s)", "deja de esperar tras TIME (120s)"}},
    {.name = "kill",
     .help = {"kill the whole instance at once, without asking its core",
              "mata toda la instancia de inmediato, sin preguntar al núcleo"}},
    JSON_OPTION,
    END};

/* One word or number a line, for completion and for xargs. */
static const struct cli_option ps_options[] = {
    JSON_OPTION,
    {.name = "services", .help = {"print only the names of the services", "solo los nombres"}},
    {.name = "quiet", .letter = 'q', .help = {"print only process ids", "solo los pid"}},
    END};

/* Names are Compose's and kubectl's where both agree; --grep is a text, as in the API. */
static const struct cli_option logs_options[] = {
    {.name = "follow", .letter = 'f', .help = {"go on printing new lines", "sigue con lo nuevo"}},
    {.name = "tail",
     .letter = 'n',
     .value = "N",
     .help = {"only the last N lines (default: all that is kept)", "solo las últimas N líneas"}},
    {.name = "since",
     .value = "T",
     .help = {"from a time (2026-11-20T23:00:00Z, 2026-11-20) or an age (10m, 2h) on",
              "desde una hora o antigüedad"}},
    {.name = "until", .value = "T", .help = {"up to a time or an age", "hasta una hora"}},
    {.name = "grep",
     .letter = 'g',
     .value = "TEXT",
     .help = {"only lines that contain TEXT", "solo líneas con TEXT"}},
    {.name = "replica", .value = "N", .help = {"only this replica", "solo esta réplica"}},
    {.name = "stream",
     .value = "NAME",
     .help = {"only stdout, stderr or (of edge) access", "solo stdout, stderr o (de edge) access"}},
    {.name = "no-prefix", .help = {"only the messages", "solo los mensajes"}},
    {.name = "timestamps", .letter = 't', .help = {"show the time of each line", "con la hora"}},
    JSON_OPTION,
    END};

static const struct cli_option json_options[] = {JSON_OPTION, END};

static const struct cli_option act_options[] = {
    {.name = "no-wait", .help = {"do not wait for the result", "no espera el resultado"}},
    JSON_OPTION,
    END};

static const struct cli_option drain_options[] = {
    {.name = "end", .help = {"it gets requests again", "vuelve a recibir peticiones"}},
    {.name = "no-wait", .help = {"do not wait for the result", "no espera el resultado"}},
    JSON_OPTION,
    END};

static const struct cli_option exec_options[] = {
    {.name = "env",
     .letter = 'e',
     .value = "NAME=VALUE",
     .help = {"set a variable; may be repeated", "define una variable"}},
    {.name = "workdir",
     .letter = 'w',
     .value = "DIR",
     .help = {"folder to run in (default: the service's)", "carpeta de trabajo"}},
    END};

/* --schema needs no file: editors ask for it before there is one. */
static const struct cli_option config_options[] = {
    JSON_OPTION,
    {.name = "schema",
     .help = {"print the JSON schema of the file, for editors", "el esquema JSON del archivo"}},
    {.name = "quiet", .letter = 'q', .help = {"only check", "solo comprueba"}},
    {.name = "show-secrets",
     .help = {"print values of variables too", "con los valores de las variables"}},
    {.name = "services", .help = {"print only the names of the services", "solo los nombres"}},
    END};

static const struct cli_option events_options[] = {
    {.name = "follow", .letter = 'f', .help = {"go on printing new events", "sigue con lo nuevo"}},
    {.name = "tail",
     .letter = 'n',
     .value = "N",
     .help = {"the last N events (default 50)", "los últimos N"}},
    {.name = "kind", .value = "KIND", .help = {"only this kind", "solo este tipo"}},
    JSON_OPTION,
    END};

static const struct cli_option top_options[] = {
    {.name = "once", .help = {"print once and return", "una vez y termina"}}, JSON_OPTION, END};

static const struct cli_option init_options[] = {
    {.name = "force", .help = {"overwrite an existing file", "sobrescribe el archivo"}},
    {.name = "stdout", .help = {"print instead of writing", "imprime en vez de escribir"}},
    END};

static const struct cli_option upgrade_options[] = {
    {.name = "force",
     .help = {"cut what still ends in the edge before the present one",
              "corta lo que aún termina en el gateway anterior al actual"}},
    JSON_OPTION,
    END};

#define SERVICES "[SERVICE…]"

/* In the order of help: what one needs first stands first. */
const struct cli_verb cli_verbs[] = {
    {.name = "up",
     .usage = SERVICES,
     .words_max = CLI_WORDS_MAX,
     .options = up_options,
     .run = verb_up,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"start everything, or apply the file to what runs",
                 "arranca todo, o aplica el archivo a lo que corre"},
     .details = {"In the foreground it shows what happens until Ctrl-C, which stops everything; a "
                 "second Ctrl-C kills at once. When the terminal goes away the services stay. On a "
                 "running instance it applies the file and attaches: what did not change is not "
                 "touched. With names, these and what they depend on are started; other services "
                 "that are new stay stopped, others that run are left alone.",
                 "En primer plano muestra lo que ocurre hasta Ctrl-C, que lo detiene todo; un "
                 "segundo Ctrl-C mata al instante. Si se cierra la terminal, los servicios siguen. "
                 "En una instancia que corre aplica el archivo y se conecta: lo que no cambió no "
                 "se toca. Con nombres arrancan esos y aquello de lo que dependen; otros servicios "
                 "nuevos quedan detenidos, los que corren se dejan como están."}},
    {.name = "down",
     .usage = "",
     .options = down_options,
     .run = verb_down,
     .summary = {"stop everything; returns when nothing is left",
                 "detiene todo; termina cuando no queda nada"}},
    {.name = "ps",
     .usage = SERVICES,
     .words_max = CLI_WORDS_MAX,
     .run = verb_ps,
     .options = ps_options,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"list the replicas of the services", "lista las réplicas de los servicios"}},
    {.name = "logs",
     .usage = SERVICES,
     .words_max = CLI_WORDS_MAX,
     .run = verb_logs,
     .options = logs_options,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"show what the services printed", "muestra lo que imprimieron los servicios"}},
    {.name = "start",
     .usage = SERVICES,
     .words_max = CLI_WORDS_MAX,
     .run = verb_action,
     .options = act_options,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"start stopped services; all without a name",
                 "arranca servicios detenidos; todos sin nombre"}},
    {.name = "stop",
     .usage = SERVICES,
     .words_max = CLI_WORDS_MAX,
     .run = verb_action,
     .options = act_options,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"stop services, all without a name; they stay stopped",
                 "detiene servicios, todos sin nombre; quedan detenidos"}},
    {.name = "restart",
     .usage = SERVICES,
     .words_max = CLI_WORDS_MAX,
     .run = verb_action,
     .options = act_options,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"restart services; all without a name", "reinicia servicios; todos sin nombre"}},
    {.name = "scale",
     .usage = "SERVICE=N…",
     .words_min = 1,
     .words_max = CLI_WORDS_MAX,
     .run = verb_scale,
     .options = act_options,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"set the number of replicas", "fija el número de réplicas"},
     .details = {"The number is kept as an override over restarts, until 'muelle reset' or until "
                 "the file changes it.",
                 "El número se conserva entre reinicios, hasta 'muelle reset' o hasta que el "
                 "archivo lo cambie."}},
    {.name = "weight",
     .usage = "SERVICE/REPLICA=N…",
     .words_min = 1,
     .words_max = CLI_WORDS_MAX,
     .run = verb_weight,
     .options = act_options,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"set the weight of a replica in the balancing",
                 "fija el peso de una réplica en el reparto"},
     .details = {"0 to 256; with 0 it serves only clients whose sticky cookie names it. Kept as an "
                 "override over restarts, until 'muelle reset' or until the file changes the "
                 "members.",
                 "De 0 a 256; con 0 solo atiende a clientes cuya cookie de afinidad la nombra. Se "
                 "conserva entre reinicios, hasta 'muelle reset' o hasta que el archivo cambie los "
                 "miembros."}},
    {.name = "drain",
     .usage = "SERVICE/REPLICA…",
     .words_min = 1,
     .words_max = CLI_WORDS_MAX,
     .run = verb_drain,
     .options = drain_options,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"give a replica no new requests; those under way finish",
                 "no da peticiones nuevas a una réplica; las que tiene terminan"},
     .details = {"Kept as an override over restarts, until 'muelle drain --end' or 'muelle reset'.",
                 "Se conserva entre reinicios, hasta 'muelle drain --end' o 'muelle reset'."}},
    {.name = "reset",
     .usage = SERVICES,
     .words_max = CLI_WORDS_MAX,
     .run = verb_action,
     .options = act_options,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"drop overrides: go back to what the file says",
                 "descarta cambios: vuelve a lo que dice el archivo"}},
    {.name = "exec",
     .usage = "SERVICE[/REPLICA] COMMAND [ARG…]",
     .words_min = 2,
     .words_max = CLI_WORDS_MAX,
     .run = verb_exec,
     .options = exec_options,
     .complete = CLI_COMPLETE_SERVICE,
     .rest_is_command = true,
     .summary = {"run a command in a service's surroundings: variables, user, folder",
                 "ejecuta un comando en el entorno de una réplica"}},
    {.name = "run",
     .usage = "SERVICE[/REPLICA] [COMMAND [ARG…]]",
     .words_min = 1,
     .words_max = CLI_WORDS_MAX,
     .run = verb_run,
     .options = exec_options,
     .complete = CLI_COMPLETE_SERVICE,
     .rest_is_command = true,
     .summary = {"run a one-off command with a service's environment; returns its exit code",
                 "ejecuta un comando suelto con el entorno de un servicio"}},
    {.name = "config",
     .usage = "",
     .options = config_options,
     .run = verb_config,
     .summary = {"check the file and print it as understood",
                 "comprueba el archivo y lo muestra como se entendió"}},
    {.name = "check",
     .usage = "",
     .run = verb_check,
     .summary = {"check the file and all that it names: programs, folders, users, certificates",
                 "comprueba el archivo y lo que nombra: programas, carpetas, usuarios, "
                 "certificados"},
     .details =
         {"What 'up' would refuse is said with its place, what is doubtful as a note. Needs no "
          "instance, and changes nothing. 0: 'up' would take it; 5: it would not.",
          "Lo que 'up' rechazaría se dice con su lugar; lo dudoso, como nota. No necesita "
          "instancia y no cambia nada. 0: 'up' lo aceptaría; 5: no."}},
    {.name = "plan",
     .usage = "",
     .options = json_options,
     .run = verb_plan,
     .summary = {"show what 'up' would change", "muestra qué cambiaría 'up'"},
     .details = {"RESTART says what becomes of the processes that run: none (they go on), rolling "
                 "(each goes when the next one is ready), stop first (each is stopped before the "
                 "next one starts: what no route leads to, what has a port of its own).",
                 "RESTART dice qué será de los procesos que corren: none (siguen), rolling (cada "
                 "uno se va cuando el siguiente está listo), stop first (cada uno se detiene antes "
                 "de que arranque el siguiente: aquello a lo que no lleva ninguna ruta, lo que "
                 "tiene puerto propio)."}},
    {.name = "reload",
     .usage = "",
     .options = act_options,
     .run = verb_reload,
     .summary = {"apply the changed file; a bad file changes nothing",
                 "aplica el archivo cambiado; uno malo no cambia nada"}},
    {.name = "upgrade",
     .usage = "[BINARY]",
     .words_max = 1,
     .options = upgrade_options,
     .run = verb_upgrade,
     .complete = CLI_COMPLETE_FILE,
     .summary = {"replace the running muelle by another version, without a pause",
                 "sustituye el muelle en marcha por otra versión, sin pausa"},
     .details =
         {"Keeper, core and edge become BINARY (default: the one that runs this command), one "
          "after another. Services and traffic go on: resting HTTP/1 connections and tunnels whose "
          "bytes are not read (after a 101, tcp, tls passed through) move to the new edge. TLS, "
          "HTTP/2, requests under way and WebSockets whose frames are read (websocket.check, "
          "ping_interval, max_message) end in the old one, within gateway.upgrade_drain (1 h). "
          "Two edges at most are alive: while one still ends so, a further upgrade is refused, "
          "as it would cut what is there; --force does it.",
          "Keeper, core y edge pasan a ser BINARY (por defecto, el que ejecuta este comando), uno "
          "tras otro. Servicios y tráfico siguen: las conexiones HTTP/1 en reposo y los túneles "
          "cuyos bytes no se leen (tras un 101, tcp, tls sin descifrar) pasan al edge nuevo. TLS, "
          "HTTP/2, las peticiones en curso y los WebSockets cuyas tramas se leen (websocket.check, "
          "ping_interval, max_message) terminan en el viejo, dentro de gateway.upgrade_drain (1 "
          "h). Viven dos edges como mucho: mientras uno termina así, otra actualización se "
          "rechaza, pues cortaría lo que queda; --force lo hace."}},
    {.name = "status",
     .usage = "",
     .options = json_options,
     .run = verb_status,
     .summary = {"is it all right: one sentence, processes, projects",
                 "¿va todo bien?: una frase, procesos, proyectos"}},
    {.name = "top",
     .usage = "",
     .run = verb_top,
     .options = top_options,
     .summary = {"live CPU, memory and traffic; q ends it",
                 "CPU, memoria y tráfico en vivo; q termina"}},
    {.name = "events",
     .usage = SERVICES,
     .words_max = CLI_WORDS_MAX,
     .run = verb_events,
     .options = events_options,
     .complete = CLI_COMPLETE_SERVICE,
     .summary = {"what happened, who did it and why", "qué pasó, quién lo hizo y por qué"}},
    {.name = "routes",
     .usage = "",
     .options = json_options,
     .run = verb_routes,
     .summary = {"which address leads to which replica", "qué dirección lleva a qué réplica"},
     .details = {"LISTEN: the listeners that serve the route. REQUESTS: all that took it since the "
                 "instance was started, also those that the gateway answered itself; 'muelle top' "
                 "has those of a second.",
                 "LISTEN: los puntos de escucha que sirven la ruta. REQUESTS: todas las que la "
                 "tomaron desde que arrancó la instancia, también las que contestó la propia "
                 "pasarela; 'muelle top' tiene las de un segundo."}},
    {.name = "doctor",
     .usage = "",
     .options = json_options,
     .run = verb_doctor,
     .summary = {"check this machine and say what cannot be promised",
                 "revisa esta máquina y dice qué no se puede prometer"}},
    {.name = "cert",
     .usage = "[NAME…]",
     .words_max = 100,
     .options = cert_options,
     .run = verb_cert,
     .summary = {"show the development authority, or issue a certificate for names",
                 "muestra la autoridad de desarrollo, o emite un certificado para nombres"},
     .details = {"Listeners of https:// without a certificate use one of this authority, which is "
                 "made when it is first needed. Trusting its ca.crt once is enough for all "
                 "projects; 'muelle cert' says how. With names (hosts, *.hosts, addresses) it "
                 "writes NAME.crt and NAME.key, after the first of them.",
                 "Los https:// sin certificado usan uno de esta autoridad, que se crea cuando hace "
                 "falta por primera vez. Confiar una vez en su ca.crt basta para todos los "
                 "proyectos; 'muelle cert' dice cómo. Con nombres (hosts, *.hosts, direcciones) "
                 "escribe NAME.crt y NAME.key, por el primero de ellos."}},
    {.name = "init",
     .usage = "[DIR]",
     .words_max = 1,
     .options = init_options,
     .run = verb_init,
     .complete = CLI_COMPLETE_FOLDER,
     .summary = {"look at a project and write its muelle.yaml",
                 "mira un proyecto y escribe su muelle.yaml"}},
    {.name = "version",
     .usage = "",
     .options = json_options,
     .run = verb_version,
     .summary = {"print the version; also --version", "muestra la versión; también --version"}},
    {.name = "completion",
     .usage = "bash|zsh|fish",
     .words_min = 1,
     .words_max = 1,
     .run = verb_completion,
     .complete = CLI_COMPLETE_SHELL,
     .summary = {"print completion for a shell", "completado para la shell"},
     .details = {"For example: source <(muelle completion bash)",
                 "Por ejemplo: source <(muelle completion bash)"}},
    {.name = "help",
     .usage = "[COMMAND]",
     .words_max = 1,
     .run = verb_help,
     .complete = CLI_COMPLETE_VERB,
     .summary = {"show help", "muestra ayuda"}},
    {.name = "docs",
     .usage = "api|cli",
     .words_min = 1,
     .words_max = 1,
     .run = verb_docs,
     .hidden = true,
     .summary = {"print docs/api.md or docs/cli.md", "imprime docs/api.md o docs/cli.md"}},
    {.name = "man",
     .usage = "",
     .run = verb_man,
     .hidden = true,
     .summary = {"print the man page", "imprime la página de manual"}},
};
const size_t cli_verb_count = ARRAY_LEN(cli_verbs);
