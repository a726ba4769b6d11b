# SPDX-License-Identifier: Apache-2.0
"""Every key that the tables accept acts, is shown, or is told about: nothing is swallowed.

The keys come from `muelle config --schema`, which the tables derive; a new key fails here until it has a row. A row
of ACTS names the test that sees the key act; a key of TOLD gives a notice, and an error with --strict, which is seen
here; a key of SHOWN is words for people and tools, seen in every rendering.
"""
import http.client
import json
import os
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from muelle import BINARY, Muelle, free_port, wait_until  # noqa: E402

from config_compose import run  # noqa: E402

TESTS = Path(__file__).resolve().parents[1]
HERE = "integration/config_keys.py::"
SURROUNDINGS = HERE + "test_a_process_has_the_surroundings_that_its_keys_say"
ENDS = HERE + "test_how_it_ends_follows_its_keys"
ROUTES = HERE + "test_routes_and_probes_follow_their_keys"
WEBSOCKETS = "integration/edge_system.py::test_a_route_says_what_its_websockets_may"
SUPERVISION = "integration/run_supervision.py::"
COMPOSE = "unit/schema/test_compose.c::"
FORMS = "integration/config_forms.py::test_as_docker_compose_does"
BALANCE = "integration/run_balance.py::"
REPLICA = "unit/run/test_replica.c::"

LIMITS = "integration/edge_keys.py::test_what_the_file_says_of_clients_acts"
HTTP2 = "integration/edge_keys.py::test_what_the_file_says_of_http2_connections_acts"

POLICY = "integration/edge_policy.py::"
ACTS = {
    "name": COMPOSE + "the_projects_name",
    "include": COMPOSE + "an_included_project_has_its_own_folder_and_variables",
    "include.path": COMPOSE + "an_included_project_has_its_own_folder_and_variables",
    "include.project_directory": COMPOSE + "an_included_project_has_its_own_folder_and_variables",
    "include.env_file": COMPOSE + "an_included_project_has_its_own_folder_and_variables",
    "gateway": ROUTES,
    "gateway.listen": ROUTES,
    "gateway.listen.address": "integration/edge_services.py::test_tcp_listeners_carry_bytes_both_ways",
    "gateway.listen.service": "integration/edge_services.py::test_tcp_listeners_carry_bytes_both_ways",
    "gateway.listen.target": HERE + "test_a_tcp_listener_leads_to_its_target",
    "gateway.listen.tls": "integration/gateway_tls.py::test_the_name_chooses_the_certificate",
    "gateway.listen.tls.cert": "integration/gateway_tls.py::test_the_name_chooses_the_certificate",
    "gateway.listen.tls.key": "integration/gateway_tls.py::test_the_name_chooses_the_certificate",
    "gateway.listen.tls.chain": "integration/gateway_tls.py::test_a_chain_may_have_a_file_of_its_own",
    "gateway.listen.tls.ocsp": "integration/gateway_tls.py::test_stapled_responses_come_from_their_file",
    "gateway.listen.redirect": "integration/gateway_tls.py::test_plain_requests_are_redirected",
    "gateway.tls": "integration/gateway_tls.py::test_the_name_chooses_the_certificate",
    "gateway.tls.certificates": "integration/gateway_tls.py::test_the_name_chooses_the_certificate",
    "gateway.tls.certificates.cert": "integration/gateway_tls.py::test_the_name_chooses_the_certificate",
    "gateway.tls.certificates.key": "integration/gateway_tls.py::test_the_name_chooses_the_certificate",
    "gateway.tls.certificates.chain": "integration/gateway_tls.py::test_a_chain_may_have_a_file_of_its_own",
    "gateway.tls.certificates.ocsp": "integration/gateway_tls.py::test_stapled_responses_come_from_their_file",
    "gateway.tls.min_version": "integration/gateway_tls.py::test_old_versions_and_weak_ciphers_are_refused",
    "gateway.tls.client_ca": "integration/gateway_tls.py::test_a_route_may_need_a_client_certificate",
    "gateway.tls.client_certificate": "integration/gateway_tls.py::test_a_route_may_need_a_client_certificate",
    "gateway.tls.tickets": "integration/gateway_tls.py::test_tickets_outlive_a_killed_edge_and_a_killed_core",
    "gateway.tls.ocsp_fetch": "integration/gateway_tls_files.py::test_nobody_is_asked_when_fetching_is_off",
    "gateway.tls.light": "integration/gateway_light.py::test_an_idle_connection_costs_a_tenth",
    "gateway.admin": "integration/api_access.py::test_tcp_needs_the_token_for_everything_but_health_and_pages",
    "gateway.admin_names": "integration/api_access.py::test_foreign_host_names_are_refused",
    "gateway.listen.proxy_protocol": LIMITS,
    "gateway.trusted_proxies": LIMITS,
    "gateway.limits": LIMITS,
    **{f"gateway.limits.{key}": LIMITS for key in
       ("header_timeout", "header_size", "idle_timeout", "connections", "address_connections", "address_rate", "body_rate",
        "read_rate", "glitches")},
    "gateway.sockmap": "integration/edge_sockmap.py::test_requests_and_answers_go_the_short_way",
    "gateway.http2": HTTP2,
    **{f"gateway.http2.{key}": HTTP2 for key in ("streams", "window", "connection_window", "glitches")},
    "gateway.threads": ROUTES,
    "gateway.upgrade_drain": "integration/edge_upgrade.py::test_a_request_under_way_ends_in_the_old_edge",
    "gateway.expose_replica": ROUTES,
    "gateway.access_log": "integration/access_log.py::test_members_and_samples_change_under_load",
    "gateway.access_log.format": "integration/access_log.py::test_combined_lines_go_to_a_file_and_json_stays_in_the_log",
    "gateway.access_log.file": "integration/access_log.py::test_combined_lines_go_to_a_file_and_json_stays_in_the_log",
    "gateway.access_log.fields": "integration/access_log.py::test_members_and_samples_change_under_load",
    "gateway.access_log.sample": "integration/access_log.py::test_members_and_samples_change_under_load",
    "logging": "integration/logs_lines.py::test_the_budget_of_all_logs_acts_on_reload",
    "logging.max_size": "integration/logs_lines.py::test_the_budget_of_all_logs_acts_on_reload",
    "logging.max_age": "integration/logs_lines.py::test_the_budget_of_all_logs_acts_on_reload",
    "services": SURROUNDINGS,
    "services.extends": FORMS,
    "services.extends.service": FORMS,
    "services.extends.file": FORMS,
    "services.profiles": COMPOSE + "profiles_choose_services",
    "services.command": SURROUNDINGS,
    "services.entrypoint": SURROUNDINGS,
    "gateway.geo_database": BALANCE + "test_backups_and_places",
    "services.working_dir": SURROUNDINGS,
    "services.environment": SURROUNDINGS,
    "services.env_file": SURROUNDINGS,
    "services.env_file.path": SURROUNDINGS,
    "services.env_file.required": SURROUNDINGS,
    "services.env_file.format": SURROUNDINGS,
    "services.user": SURROUNDINGS,
    "services.umask": SURROUNDINGS,
    "services.nice": SURROUNDINGS,
    "services.oom_score_adj": SURROUNDINGS,
    "services.ulimits": SURROUNDINGS,
    "services.ulimits.soft": SURROUNDINGS,
    "services.ulimits.hard": SURROUNDINGS,
    "services.tty": "integration/run_feeds.py::test_a_terminal_is_one_and_its_lines_arrive",
    "services.port": SURROUNDINGS,
    "services.listen_fds": SUPERVISION + "test_a_socket_handed_over_is_never_closed",
    "services.scale": HERE + "test_scale_is_the_number_of_replicas",
    "services.deploy": ROUTES,
    "services.deploy.replicas": ROUTES,
    "services.deploy.resources": SURROUNDINGS,
    "services.deploy.resources.limits": SURROUNDINGS,
    "services.deploy.resources.limits.cpus": SURROUNDINGS,
    "services.deploy.resources.limits.memory": SURROUNDINGS,
    "services.deploy.resources.limits.pids": SURROUNDINGS,
    "services.depends_on": SUPERVISION + "test_dependencies_start_in_order_and_stop_in_reverse",
    "services.depends_on.condition": SUPERVISION + "test_dependencies_start_in_order_and_stop_in_reverse",
    "services.depends_on.restart": HERE + "test_a_restart_takes_along_who_asked_for_it",
    "services.depends_on.required": COMPOSE + "a_dependency_that_is_not_chosen_is_an_error_unless_it_is_optional",
    "services.restart": SUPERVISION + "test_a_crash_is_explained_and_restarted_with_growing_delays",
    "services.backoff": SUPERVISION + "test_a_crash_is_explained_and_restarted_with_growing_delays",
    "services.backoff.initial": SUPERVISION + "test_a_crash_is_explained_and_restarted_with_growing_delays",
    "services.backoff.max": REPLICA + "first_crash_restarts_at_once_then_backs_off",
    "services.backoff.factor": REPLICA + "first_crash_restarts_at_once_then_backs_off",
    "services.backoff.reset": REPLICA + "a_long_life_forgets_failures",
    "services.success_exit_codes": ENDS,
    "services.stop_signal": ENDS,
    "services.stop_grace_period": SUPERVISION + "test_stop_takes_the_whole_tree_and_a_process_that_ignores_the_signal",
    "services.traffic": POLICY + "test_an_answer_is_tried_again_elsewhere_when_its_status_says_so",
    "services.traffic.proxy_protocol": "integration/edge_announce.py::test_nginx_and_haproxy_see_the_client_and_connections_are_its_own",
    "services.traffic.timeouts": POLICY + "test_a_whole_request_has_a_time",
    "services.traffic.timeouts.connect": POLICY + "test_a_whole_request_has_a_time",
    "services.traffic.timeouts.first_byte": POLICY + "test_a_slow_replica_is_given_up_for_another",
    "services.traffic.timeouts.idle": POLICY + "test_a_whole_request_has_a_time",
    "services.traffic.timeouts.stream": "integration/edge_streams.py::test_the_files_time_of_streams_acts",
    "services.traffic.timeouts.total": POLICY + "test_a_whole_request_has_a_time",
    "services.traffic.timeouts.queue": POLICY + "test_who_waits_too_long_in_the_queue_is_refused",
    "services.traffic.timeouts.tunnel_idle": POLICY + "test_a_whole_request_has_a_time",
    "services.traffic.retries": POLICY + "test_an_answer_is_tried_again_elsewhere_when_its_status_says_so",
    "services.traffic.retries.attempts": POLICY + "test_what_may_not_arrive_twice_is_not_tried_again",
    "services.traffic.retries.when": POLICY + "test_a_status_that_is_not_named_is_an_answer",
    "services.traffic.retries.methods": POLICY + "test_what_may_not_arrive_twice_is_not_tried_again",
    "services.traffic.retries.header": POLICY + "test_a_field_of_the_answer_asks_for_another_try",
    "services.traffic.retries.backoff": POLICY + "test_the_budget_bounds_a_storm",
    "services.traffic.retries.budget": POLICY + "test_the_budget_bounds_a_storm",
    "services.traffic.retries.minimum": POLICY + "test_the_budget_bounds_a_storm",
    "services.traffic.retries.window": POLICY + "test_the_budget_bounds_a_storm",
    "services.traffic.retries.buffer": POLICY + "test_a_body_that_does_not_fit_goes_once_and_the_record_says_so",
    "services.traffic.breaker": POLICY + "test_the_breaker_opens_refuses_and_closes_again",
    "services.traffic.breaker.requests": POLICY + "test_more_than_the_limit_are_refused_or_wait_in_the_queue",
    "services.traffic.breaker.connections": POLICY + "test_more_connections_than_the_limit_are_not_made",
    "services.traffic.breaker.pending": POLICY + "test_holding_is_bounded",
    "services.traffic.breaker.consecutive": POLICY + "test_the_breaker_opens_refuses_and_closes_again",
    "services.traffic.breaker.failures": "unit/traffic/test_breaker.c::a_share_of_failures_opens_it",
    "services.traffic.breaker.minimum": "unit/traffic/test_breaker.c::a_share_of_failures_opens_it",
    "services.traffic.breaker.window": "unit/traffic/test_breaker.c::old_failures_fade",
    "services.traffic.breaker.open": POLICY + "test_the_breaker_opens_refuses_and_closes_again",
    "services.traffic.breaker.probes": POLICY + "test_the_breaker_opens_refuses_and_closes_again",
    "services.traffic.outlier": POLICY + "test_a_failing_replica_is_ejected_and_comes_back",
    "services.traffic.outlier.consecutive": POLICY + "test_a_failing_replica_is_ejected_and_comes_back",
    "services.traffic.outlier.success": "unit/traffic/test_outlier.c::few_successes",
    "services.traffic.outlier.latency": POLICY + "test_a_slow_replica_is_ejected",
    "services.traffic.outlier.minimum": POLICY + "test_a_slow_replica_is_ejected",
    "services.traffic.outlier.interval": POLICY + "test_a_slow_replica_is_ejected",
    "services.traffic.outlier.ejection": POLICY + "test_a_failing_replica_is_ejected_and_comes_back",
    "services.traffic.outlier.ejection_max": "unit/traffic/test_outlier.c::ejections_grow_to_the_most_and_are_forgiven",
    "services.traffic.outlier.share": POLICY + "test_one_is_always_left",
    "services.traffic.slow_start": POLICY + "test_a_new_replica_starts_slowly",
    "services.traffic.queue": POLICY + "test_more_than_the_limit_are_refused_or_wait_in_the_queue",
    "services.traffic.queue.length": POLICY + "test_more_than_the_limit_are_refused_or_wait_in_the_queue",
    "services.traffic.queue.target": "unit/traffic/test_request_queue.c::codel_holds_the_delay_under_overload",
    "services.traffic.queue.interval": "unit/traffic/test_request_queue.c::codel_leaves_a_burst_alone",
    "services.traffic.queue.priority_header": POLICY + "test_urgent_requests_leave_the_queue_first",
    "services.traffic.concurrency": POLICY + "test_the_limit_is_found_by_measuring",
    "services.traffic.concurrency.kind": "unit/traffic/test_limiter.c::aimd_saws_at_the_capacity",
    "services.traffic.concurrency.initial": POLICY + "test_the_limit_is_found_by_measuring",
    "services.traffic.concurrency.min": "unit/traffic/test_limiter.c::the_bounds_hold_in_any_walk",
    "services.traffic.concurrency.max": "unit/traffic/test_limiter.c::the_bounds_hold_in_any_walk",
    "services.traffic.concurrency.tolerance": "unit/traffic/test_limiter.c::the_gradient_finds_the_capacity",
    "services.traffic.concurrency.late": "unit/traffic/test_limiter.c::aimd_saws_at_the_capacity",
    "services.traffic.fallback": POLICY + "test_a_fallback_service_answers_instead",
    "services.traffic.fallback.service": POLICY + "test_a_fallback_service_answers_instead",
    "services.traffic.fallback.status": POLICY + "test_a_fallback_page_for_no_replica_and_for_a_refused_one",
    "services.traffic.fallback.body": POLICY + "test_a_fallback_page_for_no_replica_and_for_a_refused_one",
    "services.traffic.fallback.content_type": POLICY + "test_a_fallback_page_for_no_replica_and_for_a_refused_one",
    "services.traffic.hedge": POLICY + "test_a_second_replica_is_asked_when_the_first_is_slow",
    "services.traffic.hedge.after": POLICY + "test_a_second_replica_is_asked_when_the_first_is_slow",
    "services.traffic.hedge.percentile": "unit/traffic/test_limiter.c::a_hedge_after_a_percentile",
    "services.traffic.hedge.budget": POLICY + "test_hedges_have_a_budget",
    "services.traffic.mirror": POLICY + "test_a_mirror_gets_copies_and_delays_nobody",
    "services.traffic.mirror.service": POLICY + "test_a_mirror_gets_copies_and_delays_nobody",
    "services.traffic.mirror.share": POLICY + "test_a_mirror_gets_a_share",
    "services.traffic.body_size": "integration/gateway_defence.py::test_the_largest_body_is_the_files_to_say",
    "services.traffic.hold": POLICY + "test_holding_is_bounded",
    "services.healthcheck": ROUTES,
    "services.healthcheck.test": SUPERVISION + "test_a_health_command_decides_readiness",
    "services.healthcheck.http": ROUTES,
    "services.healthcheck.grpc": "integration/edge_grpc.py::test_the_service_is_probed_by_its_health_service",
    "services.healthcheck.tcp": "integration/edge_services.py::test_probing_a_dead_port_says_why_and_tcp_probes_work",
    "services.healthcheck.port": ROUTES,
    "services.healthcheck.host": ROUTES,
    "services.healthcheck.disable": FORMS,
    "services.healthcheck.interval": SUPERVISION + "test_an_unhealthy_replica_leaves_the_gateway_and_is_restarted",
    "services.healthcheck.timeout": "integration/edge_services.py::test_probes_take_an_endpoint_out_and_back",
    "services.healthcheck.retries": SUPERVISION + "test_an_unhealthy_replica_leaves_the_gateway_and_is_restarted",
    "services.healthcheck.start_period": SUPERVISION + "test_a_health_command_decides_readiness",
    "services.healthcheck.start_interval": "integration/edge_services.py::test_a_starting_endpoint_is_probed_fast",
    "services.traffic.socket": "integration/edge_sockets.py::test_a_socket_that_is_handed_over_keeps_who_connects_while_processes_change",
    "services.routes": ROUTES,
    "services.routes.host": ROUTES,
    "services.routes.path": ROUTES,
    "services.routes.balance": "integration/edge_services.py::test_least_connections",
    "services.routes.client_certificate": "integration/gateway_tls.py::test_a_route_may_need_a_client_certificate",
    "services.routes.strip_prefix": ROUTES,
    "services.routes.websocket": WEBSOCKETS,
    "services.routes.websocket.check": WEBSOCKETS,
    "services.routes.websocket.max_message": WEBSOCKETS,
    "services.routes.websocket.ping_interval": WEBSOCKETS,
    "services.routes.websocket.idle_timeout": WEBSOCKETS,
    "services.routes.websocket.max_connections": WEBSOCKETS,
    "services.routes.connect": WEBSOCKETS,
    "services.routes.passthrough": "integration/edge_sni.py::test_the_name_chooses_the_service_and_the_service_ends_tls",
    "services.traffic.tls": "integration/gateway_tls.py::test_services_are_reached_by_tls",
    "services.traffic.tls.verify": "integration/gateway_tls.py::test_services_are_reached_by_tls",
    "services.traffic.tls.server_name": "integration/gateway_tls.py::test_services_are_reached_by_tls",
    "services.traffic.tls.ca": "integration/gateway_tls.py::test_services_are_reached_by_tls",
    "services.traffic.tls.cert": "integration/gateway_tls.py::test_services_are_reached_by_tls",
    "services.traffic.tls.key": "integration/gateway_tls.py::test_services_are_reached_by_tls",
    "services.traffic": BALANCE + "test_a_file_says_how_requests_are_spread",
    "services.traffic.protocol": "integration/edge_grpc.py::test_a_file_says_what_a_service_speaks",
    "services.traffic.balance": BALANCE + "test_a_file_says_how_requests_are_spread",
    "services.traffic.hash": BALANCE + "test_a_file_says_how_requests_are_spread",
    "services.traffic.hash.by": BALANCE + "test_a_file_says_how_requests_are_spread",
    "services.traffic.hash.name": BALANCE + "test_a_file_says_how_requests_are_spread",
    "services.traffic.hash.bound": "integration/edge_balance.py::test_a_hot_key_is_bounded",
    "services.traffic.sticky": BALANCE + "test_a_cookie_outlives_restarts_of_everything",
    "services.traffic.sticky.cookie": BALANCE + "test_a_cookie_outlives_restarts_of_everything",
    "services.traffic.sticky.max_age": BALANCE + "test_a_cookie_outlives_restarts_of_everything",
    "services.traffic.sticky.secure": BALANCE + "test_a_cookie_outlives_restarts_of_everything",
    "services.traffic.members": BALANCE + "test_weights_and_drains_are_live_and_kept",
    "services.traffic.members.weight": BALANCE + "test_weights_and_drains_are_live_and_kept",
    "services.traffic.members.priority": BALANCE + "test_backups_and_places",
    "services.traffic.members.location": BALANCE + "test_backups_and_places",
    "services.traffic.panic": "integration/edge_balance.py::test_panic_when_most_probes_fail",
    "services.ports": SUPERVISION + "test_published_ports_lead_to_the_process",
    "services.ports.host_ip": SUPERVISION + "test_published_ports_lead_to_the_process",
    "services.ports.published": SUPERVISION + "test_published_ports_lead_to_the_process",
    "services.ports.target": SUPERVISION + "test_published_ports_lead_to_the_process",
    "services.ports.protocol": "unit/schema/test_errors.c::each_key_without_effect_is_said_once_wherever_it_stands",
    "services.logging": "integration/run_feeds.py::test_a_pipe_keeps_both_streams_apart",
    "services.logging.mode": "integration/run_feeds.py::test_a_pipe_keeps_both_streams_apart",
    "services.logging.burst": "integration/logs_lines.py::test_the_output_file_stays_small",
    "services.logging.max_size": HERE + "test_a_log_keeps_to_its_size",
    "services.logging.max_age": "unit/see/test_retain.c::a_stream_that_nobody_writes_goes_when_all_of_it_is_old",
    "services.cpus": SURROUNDINGS,
    "services.mem_limit": SURROUNDINGS,
    "services.pids_limit": SURROUNDINGS,
    "services.image": SUPERVISION + "test_a_container_says_what_it_needs_and_the_rest_runs",
    "services.build": FORMS,
    "services.provider": "unit/schema/test_load.c::image_build_or_provider_make_a_container",
}
SHOWN = {"services.labels": {"a": "b"}, "services.ports.name": "front"}
# What their values must look like to be right; others follow from the type.
SAMPLES = {
    "volumes": ["./a:/b"], "networks": ["n"], "secrets": ["n"], "configs": ["n"], "network_mode": "host",
    "develop": {"watch": [{"path": "x", "action": "restart"}]}, "post_start": [{"command": "x"}],
    "pre_stop": [{"command": "x"}], "volumes_from": ["b"],
}
NAMED = {"networks": {"n": None}, "secrets": {"n": {"file": "x"}}, "configs": {"n": {"file": "x"}}}
PORT = {"target": 80, "published": 8099}


@pytest.fixture(scope="module")
def schema():
    return json.loads(run([BINARY, "config", "--schema"], Path("/")).stdout)


def object_of(schema, node):
    """What a key's value, or the items of it, are made of; None for plain values."""
    if "$ref" in node:
        return schema["$defs"][node["$ref"].split("/")[-1]]
    if "properties" in node:
        return node
    inner = [*node.get("anyOf", []), node.get("items"), node.get("additionalProperties")]
    found = (object_of(schema, each) for each in inner if isinstance(each, dict))
    return next((each for each in found if each), None)


def keys_of(schema, node, prefix, told):
    """All paths of keys; what is told about as a whole is not entered."""
    for key, value in node["properties"].items():
        path = prefix + key
        if key == "x-muelle":
            continue
        yield path, value
        below = object_of(schema, value)
        if below and not told(path):
            yield from keys_of(schema, below, path + ".", told)


def is_told(path):
    return path == "services.build" or not any(key == path or key.startswith(path + ".") for key in [*ACTS, *SHOWN])


def sample(path, node):
    key = path.split(".")[-1]
    if key in SAMPLES:
        return SAMPLES[key]
    kinds = json.dumps(node.get("type", [each.get("type") for each in node.get("anyOf", [])]))
    return ({"a": "b"} if '"object"' in kinds else ["x"] if '"array"' in kinds else "1m" if "size" in key or "limit" in key
            else True if '"boolean"' in kinds and '"number"' not in kinds else "1")


def document(path, value):
    """A project whose process has that key."""
    service = {"command": "sleep 1"}
    top = {"services": {"a": service, "b": {"command": "sleep 1"}}}
    parts = path.split(".")
    if parts[0] != "services":
        top[parts[0]] = "3" if path == "version" else {"n": None} if path != "models" else {"m": {"model": "x"}}
        return top
    if parts[1] == "ports" and len(parts) > 2:
        service["ports"] = [{**PORT, parts[2]: value}]
    elif len(parts) == 2:
        service[parts[1]] = value
        top.update({parts[1]: NAMED[parts[1]]} if parts[1] in NAMED else {})
    else:
        for part in parts[1:-1]:
            service = service.setdefault(part, {})
        service[parts[-1]] = value
    return top


def config(tmp_path, top, *args):
    (tmp_path / "muelle.yaml").write_text(json.dumps(top))
    return run([BINARY, "config", *args], tmp_path)


def test_every_key_acts_or_is_shown_or_is_told(schema, tmp_path):
    swallowed = []
    for path, node in keys_of(schema, schema, "", is_told):
        key = path.split(".")[-1]
        if path in ACTS:
            continue
        value = SHOWN.get(path, sample(path, node))
        plain = config(tmp_path, document(path, value))
        strict = config(tmp_path, document(path, value), "--strict")
        if path in SHOWN:
            seen = plain.returncode == 0 and plain.stderr == "" and f"{key}:" in plain.stdout
        else:
            said = [line for line in plain.stderr.splitlines() if line.startswith(f"note: '{key}' has no ")
                    and ("(service 'a')" in line) == path.startswith("services.")]
            seen = plain.returncode == 0 and len(said) == 1 and re.search(r"muelle\.yaml:1:\d+\)(; |$)", said[0])
            seen = seen and (f"error: '{key}' has no effect" in strict.stderr and strict.returncode == 5
                             or path == "version" and strict.returncode == 0)
        if not seen:
            swallowed.append((path, value, plain.stderr, strict.stderr))
    assert not swallowed, "\n".join(map(str, swallowed))


def test_each_test_that_is_named_for_a_key_is_there(schema):
    known = dict(keys_of(schema, schema, "", is_told))
    assert [path for path in ACTS if path not in known] == []
    for path, where in ACTS.items():
        file, name = where.split("::")
        text = (TESTS / file).read_text()
        assert re.search(rf"^(def {name}\(|TEST\({name}\))", text, re.M), where


def test_what_is_said_depends_on_the_rest_of_the_file(tmp_path):
    def notes(text):
        (tmp_path / "muelle.yaml").write_text(text)
        result = run([BINARY, "config", "-q"], tmp_path)
        return [line for line in result.stderr.splitlines() if line.startswith("note: ")], result.stderr

    said, _ = notes("services: {a: {command: x, routes: [{host: a}, {host: b, balance: least_conn}]}}")
    assert len(said) == 1 and "'balance' of a further route has no effect" in said[0]
    for traffic, key in (("{hash: {by: path}}", "hash"), ("{balance: hash, members: {'1': {location: '1, 2'}}}", "location"),
                         ("{balance: random}", "balance")):
        said, _ = notes(f"services: {{a: {{command: x, traffic: {traffic}, routes: [{{host: a, balance: least_conn}}]}}}}")
        assert any(f"'{key}' has no effect on this balancing" in line for line in said), (traffic, said)
    assert notes("services: {a: {command: x, traffic: {balance: hash, hash: {by: path}}}}")[0] == []
    said, _ = notes("services: {a: {command: x, routes: [{host: a, balance: least_conn}, {host: b}]}}")
    assert said == []
    said, _ = notes("services: {a: {command: x, healthcheck: {test: 'true', host: h, port: 5}}}")
    assert len(said) == 2 and "'host' has no effect on this health check" in said[0]
    for traffic, count in (("{queue: {}}", 1), ("{queue: {}, breaker: {pending: 5}}", 1), ("{queue: {}, breaker: {requests: 5}}", 0),
                           ("{queue: {}, concurrency: {}}", 0)):
        said, _ = notes(f"services: {{a: {{command: x, traffic: {traffic}}}}}")
        assert len(said) == count and all("'queue' has no effect where nothing is bounded" in line for line in said), (traffic, said)
    near = "services: {a: {command: x, routes: [{host: a, balance: nearest}]}}"
    said, _ = notes(near)
    assert len(said) == 1 and "'balance: nearest' has no effect without a database of places (service 'a')" in said[0]
    assert notes(f"gateway: {{geo_database: x.mmdb}}\n{near}")[0] == []
    for concurrency, expected in (("{min: 10, initial: 5}", "expected a number from 'min' (10) to 'max' (1000)"),
                                  ("{min: 10, max: 5}", "'min' (10) is above 'max' (5)")):
        _, error = notes(f"services: {{a: {{command: x, traffic: {{concurrency: {concurrency}}}}}}}")
        assert expected in error
    assert notes("services: {a: {command: x, traffic: {concurrency: {max: 5}}}}") == ([], "")
    said, _ = notes("services: {a: {image: x}}\nnetworks: {n: {}}")
    assert said == []
    _, error = notes("services: {a: {command: x}}\ngateway: {listen: [{address: 'http://:8099', target: 5}]}")
    assert "only a tcp or tls listener has a target" in error and "muelle.yaml:2:54" in error
    _, error = notes("services: {a: {command: x}}\n"
                     "gateway: {listen: [{address: 'http://:8099', tls: {cert: a, key: b}}]}")
    assert "http listeners have no certificate" in error and "expected https://" in error
    _, error = notes("services: {a: {command: x, env_file: [{path: muelle.yaml, format: toml}]}}")
    assert "'format' cannot be 'toml'" in error and "expected raw" in error


# ---------------------------------------------------------------------- what acts, with real processes

PROBE = """
import json, os, resource, sys
with open(os.environ["OUT"], "w") as f:
    json.dump({"argv": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ), "uid": os.getuid(),
               "umask": os.umask(0), "nice": os.nice(0), "oom": open("/proc/self/oom_score_adj").read().strip(),
               "nofile": resource.getrlimit(resource.RLIMIT_NOFILE), "core": resource.getrlimit(resource.RLIMIT_CORE),
               "cgroup": open("/proc/self/cgroup").read()}, f)
os.rename(os.environ["OUT"], os.environ["OUT"] + ".json")
os.execvp("sleep", ["sleep", "1000"])
"""
SERVER = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/probe":
            open("probed", "w").write(self.headers["Host"])
        body = (self.headers["Host"] + " " + self.path).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""
HEAD = "name: keys\ngateway: {{ listen: ['http://127.0.0.1:{port}'], admin: off, expose_replica: true, threads: 2 }}\n"


@pytest.fixture
def m():
    with Muelle() as muelle:  # pytest's folders are closed to other users
        muelle.port = free_port()
        yield muelle


def start(m, services):
    m.write("muelle.yaml", HEAD.format(port=m.port) + "services:\n" + services)
    m.up()


def limit(cgroup, controller, name):
    """What the kernel holds for the first group of a hybrid or unified tree that has the file."""
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        root = Path("/sys/fs/cgroup") / (controllers.removeprefix("name=") if controllers else "")
        for base in (root, Path("/sys/fs/cgroup/unified")):
            file = base / path.lstrip("/") / name
            if controller in controllers.split(",") and file.exists():
                return file.read_text().strip()
    return None


def test_a_process_has_the_surroundings_that_its_keys_say(m):
    (m.folder / "sub").mkdir()
    (m.folder / "sub").chmod(0o777)
    m.folder.chmod(0o755)
    m.write("probe.py", PROBE)
    m.write("raw.env", "RAW='a' $HOME # b\nOVER=file\n")
    port = free_port()
    root = os.getuid() == 0
    start(m, f"""
  a:
    entrypoint: [{sys.executable if not root else '/usr/bin/python3'}, {m.folder}/probe.py]
    command: one "two three"
    working_dir: sub
    environment: {{OUT: out, OVER: key, P: "${{PORT}}"}}
    env_file: [{{path: raw.env, format: raw}}, {{path: none.env, required: false}}]
    {'user: nobody' if root else ''}
    umask: "027"
    nice: 5
    oom_score_adj: 300
    ulimits: {{nofile: {{soft: 100, hard: 200}}, core: 0}}
    port: {port}
    cpus: 0.5
    mem_limit: 64m
    pids_limit: 50
  b:
    command: /usr/bin/python3 {m.folder}/probe.py
    working_dir: sub
    environment: {{OUT: b}}
    deploy: {{resources: {{limits: {{cpus: "0.25", memory: 32m, pids: 40}}}}}}
""")
    seen = json.loads(wait_until(lambda: (m.folder / "sub/out.json").exists() and
                                 (m.folder / "sub/out.json").read_text(), what="the probe's report"))
    env = seen["environment"]
    assert seen["argv"] == ["one", "two three"] and seen["cwd"] == str(m.folder / "sub")
    assert env["RAW"] == "'a' $HOME # b" and env["OVER"] == "key" and env["PORT"] == env["P"] == str(port)
    assert seen["umask"] == 0o027 and seen["nice"] == 5 and seen["oom"] == "300"
    assert seen["nofile"] == [100, 200] and seen["core"] == [0, 0]
    if root:
        assert seen["uid"] == 65534
    other = json.loads(wait_until(lambda: (m.folder / "sub/b.json").exists() and
                                  (m.folder / "sub/b.json").read_text(), what="the other's report"))
    for cgroup, pids, memory in ((seen["cgroup"], "50", 64 << 20), (other["cgroup"], "40", 32 << 20)):
        if limit(cgroup, "pids", "pids.max"):  # where the groups are ours to limit
            assert limit(cgroup, "pids", "pids.max") == pids
            assert int(limit(cgroup, "memory", "memory.limit_in_bytes")) == memory
            assert int(limit(cgroup, "cpu", "cpu.cfs_quota_us")) > 0


def test_how_it_ends_follows_its_keys(m):
    start(m, """
  three: {command: sh -c 'exit 3', restart: on-failure, success_exit_codes: [3]}
  asked: {command: [sh, -c, "trap 'echo got it > asked; exit 0' USR1; while :; do sleep 0.05; done"], stop_signal: USR1}
""")
    assert {r["service"]: r["state"] for r in m.ps()}["three"] == "completed"
    m.cli("stop", "asked")
    assert (m.folder / "asked").read_text() == "got it\n"


def fetch(port, host, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    return response.status, response.getheader("X-Muelle-Replica"), response.read().decode()


def test_routes_and_probes_follow_their_keys(m):
    m.write("server.py", SERVER)
    fixed = free_port()
    start(m, f"""
  a:
    command: {sys.executable} server.py
    deploy: {{replicas: 2}}
    healthcheck: {{http: /probe, host: probe.example}}
    routes: [{{host: a.localhost, path: /api, strip_prefix: true}}, {{host: a.localhost, path: /kept}}]
  b:
    command: {sys.executable} server.py
    environment: {{PORT: "{fixed}"}}
    healthcheck: {{http: /, port: {fixed}}}
""")
    assert (m.folder / "probed").read_text() == "probe.example"
    assert fetch(m.port, "a.localhost", "/api/x?y")[2] == "a.localhost /x?y"
    assert fetch(m.port, "a.localhost", "/kept/x")[2] == "a.localhost /kept/x"
    assert fetch(m.port, "a.localhost", "/else")[0] == 404
    assert {fetch(m.port, "a.localhost", "/api")[1] for _ in range(8)} == {"a-1", "a-2"}
    assert m.status()["edge"]["threads"] == 2


def test_a_tcp_listener_leads_to_its_target(m):
    m.write("server.py", SERVER)
    outside, inside = free_port(), free_port()
    m.write("muelle.yaml", f"""
gateway: {{listen: [{{address: "tcp://127.0.0.1:{outside}", service: a, target: {inside}}}], admin: off}}
services:
  a: {{command: {sys.executable} server.py, port: {inside}, healthcheck: {{tcp: true}}}}
""")
    m.up()
    assert fetch(outside, "any", "/x")[2] == "any /x"


def test_scale_is_the_number_of_replicas(m):
    start(m, "  a: {command: sleep 1000, scale: 3}\n  b: {command: sleep 1000, scale: 3, deploy: {replicas: 1}}\n")
    assert sorted(r["service"] for r in m.ps()) == ["a", "a", "a", "b"]


def test_a_restart_takes_along_who_asked_for_it(m):
    start(m, """
  db: {command: sleep 1000}
  with: {command: sleep 1000, depends_on: {db: {condition: service_started, restart: true}}}
  without: {command: sleep 1000, depends_on: [db]}
""")
    before = {r["service"]: r["pid"] for r in m.ps()}
    m.cli("restart", "db")
    wait_until(lambda: {r["service"]: r["pid"] for r in m.ps() if r["state"] == "running"}.get("with",
               before["with"]) != before["with"], what="the restart that goes along")
    after = {r["service"]: r["pid"] for r in m.ps()}
    assert after["db"] != before["db"] and after["without"] == before["without"]


def test_a_log_keeps_to_its_size(m):
    """Logs are trimmed after each 64 MiB that were written: a little more than that shows it."""
    start(m, """
  a:
    command: sh -c 'head -c 50000000 /dev/urandom | base64; echo written; sleep 1000'
    logging: {max_size: 1m}
""")

    def stored():
        return sum(file.stat().st_size for file in (m.state / "logs").rglob("*") if file.is_file())
    wait_until(lambda: m.cli("logs", "a", "-n", "1", "--no-prefix").stdout == "written\n", seconds=30, what="all output")
    wait_until(lambda: stored() < 12 << 20, seconds=30, what="a log that is trimmed to about its size")
