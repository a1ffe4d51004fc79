"""What the environment may say, and how it is told when it may not."""

import pytest

from app.core.settings import SettingsInvalid, load_settings

KEY = {"SUPABASE_SERVICE_KEY": "sb_secret_s3cret"}


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://user:p%40ss@cache.example:6380/2?health_check_interval=5",
        "rediss://default:secret@cache.example:6379",
        "rediss://cache.example:6379/0?ssl_cert_reqs=none&ssl_check_hostname=false",
        "redis://localhost:6379/",
        "redis://[::1]:6379/0",
        "unix:///run/redis/redis.sock?db=1",
    ],
)
def test_an_address_of_redis_is_taken_as_it_is(url):
    assert load_settings({"REDIS_URL": url}).redis_url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://hunter2@localhost:6379",
        "redis://",
        "redis:///0",
        "redis://:hunter2@",
        "redis://:hunter2@localhost:port",
        "redis://:hunter2@localhost:70000",
        "redis://:hunter2@[::1",
        "unix://",
    ],
)
def test_what_is_no_address_of_redis_is_refused_without_repeating_it(url):
    with pytest.raises(SettingsInvalid, match="REDIS_URL: must be like redis://") as refusal:
        load_settings({"REDIS_URL": url})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:6379/0?hunter2=bar",
        "redis://h:6379/0?db=hunter2",
        "redis://h:6379/0?ssl_cert_reqs=none",
        "redis://h:6379/0?max_connections=1",
        "rediss://h:6379/0?ssl_cert_reqs=hunter2",
        "redis://h:6379/hunter2",
        "redis://h:6379/0/1",
    ],
)
def test_what_redis_would_not_understand_is_refused_with_what_it_does(url):
    with pytest.raises(SettingsInvalid, match=r"REDIS_URL: (has an option|ends with)") as refusal:
        load_settings({"REDIS_URL": url})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "dsn",
    [
        "s3cret",
        "https://s3cret@",
        "https://o1.ingest.sentry.io/1",
        "https://s3cret@h/x",
        "s3cret@h/1",
        "https://s3cret@h:s3cret/1",
        "https://s3cret@h",
    ],
)
def test_what_is_no_dsn_is_refused_without_repeating_it(dsn):
    with pytest.raises(SettingsInvalid, match="SENTRY_DSN: must be like https://<key>@") as refusal:
        load_settings({"SENTRY_DSN": dsn})
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("dsn", ["https://k@o1.ingest.sentry.io/42", "http://k:s@h:9000/sentry/1"])
def test_a_dsn_is_taken_as_it_is(dsn):
    assert load_settings({"SENTRY_DSN": dsn}).sentry_dsn.get_secret_value() == dsn


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
)
def test_a_place_for_traces_is_an_address(name):
    assert load_settings({name: "http://127.0.0.1:4318"}).sends_traces
    with pytest.raises(SettingsInvalid, match=f"{name}: must begin with http"):
        load_settings({name: "zzz"})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("METRICS_TOKEN", "s3cret", "must have at least 16 characters, e.g. from"),
        ("PORT", "s3cret", "must be a whole number"),
        ("PORT", "70000", "must be 65535 or less"),
        ("WEB_CONCURRENCY", "0", "must be 1 or more"),
        ("LOG_LEVEL", "s3cret", "must be 'debug', 'info', 'warning' or 'error'"),
        ("SUPABASE_BUCKET", "../s3cret", "must be 3 to 63 small letters"),
    ],
)
def test_what_a_setting_must_be_is_told_in_an_operators_words(name, value, words):
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings({name: value})
    assert f"  {name}: {words}" in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:S3CR@ss/wrd@host/db",
        "postgresql://u:12#S3CR@host/db",
        "postgresql://u:12?S3CR@host/db?sslmode=require",
    ],
)
def test_a_password_that_is_not_encoded_is_told_as_what_it_is(url):
    with pytest.raises(SettingsInvalid, match=r"DATABASE_URL: .* write / \? # @") as refusal:
        load_settings({"DATABASE_URL": url})
    assert "S3CR" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:S3CR%40ss%2Fwrd@a:5432,b/db?target_session_attrs=any",
        "postgresql:///db?user=u@server&host=/run",
        "postgresql://u:12@host/name%40of",
    ],
)
def test_an_address_of_postgresql_is_taken(url):
    assert load_settings({"DATABASE_URL": url}).database_url.get_secret_value() == url


def test_without_an_address_there_is_none():
    assert load_settings({"REDIS_URL": ""}).redis_url is None


@pytest.mark.parametrize("variables", [KEY, {"SUPABASE_URL": "https://x.supabase.co"}])
def test_one_half_of_a_supabase_project_is_refused_with_both_names(variables):
    with pytest.raises(SettingsInvalid, match="SUPABASE_URL, SUPABASE_SERVICE_KEY") as refused:
        load_settings(variables)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://s3cret.supabase.co", "s3cret", "ftp://s3cret", "https://", "https://[s3cret"]
)
def test_a_supabase_address_that_would_not_keep_the_key_secret_is_refused(url):
    with pytest.raises(SettingsInvalid, match="SUPABASE_URL: ") as refused:
        load_settings({"SUPABASE_URL": url, **KEY})
    assert "s3cret" not in str(refused.value)


def test_a_bucket_belongs_to_a_project():
    with pytest.raises(SettingsInvalid, match="SUPABASE_BUCKET: set SUPABASE_URL"):
        load_settings({"SUPABASE_BUCKET": "originais"})
    with pytest.raises(SettingsInvalid, match="SUPABASE_BUCKET"):
        load_settings({"SUPABASE_BUCKET": "../x", "SUPABASE_URL": "https://x.supabase.co"} | KEY)


@pytest.mark.parametrize("url", ["https://x.supabase.co/", "http://127.0.0.1:54321"])
def test_a_supabase_project_is_taken(url):
    settings = load_settings({"SUPABASE_URL": url, **KEY})
    assert settings.supabase_url == url.rstrip("/")
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"PORT": "9001"}, "http://127.0.0.1:9001"),
        ({"PORT": "0"}, "http://127.0.0.1:8000"),
        ({"PORT": "9001", "PUBLIC_URL": "https://api.example.com"}, "https://api.example.com"),
    ],
)
def test_without_a_public_address_it_is_the_port_that_is_served(variables, url):
    assert load_settings(variables).public_url == url


def test_a_bad_port_is_told_once():
    with pytest.raises(SettingsInvalid) as refused:
        load_settings({"PORT": "70000"})
    assert "PORT: " in str(refused.value)
    assert "PUBLIC_URL" not in str(refused.value)


def test_networks_and_ports_for_calls_are_read_from_lists():
    settings = load_settings(
        {
            "OUTBOUND_ALLOW_PRIVATE_CIDRS": "10.0.0.0/8, fd00::/8,192.168.1.7",
            "OUTBOUND_ALLOW_PORTS": "8443, 9443",
        }
    )
    networks = [str(network) for network in settings.outbound_allow_private_cidrs]
    assert networks == ["10.0.0.0/8", "fd00::/8", "192.168.1.7/32"]
    assert settings.outbound_allow_ports == (8443, 9443)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10/8x", "localhost", "10.0.0.0/33", "s3cret"])
def test_what_is_no_network_is_refused_with_an_example(text):
    with pytest.raises(SettingsInvalid, match="OUTBOUND_ALLOW_PRIVATE_CIDRS: must be netw") as no:
        load_settings({"OUTBOUND_ALLOW_PRIVATE_CIDRS": text})
    assert "s3cret" not in str(no.value)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "443/tcp", "8443;9443", "99999999999999999"])
def test_what_is_no_port_is_refused_with_an_example(text):
    with pytest.raises(SettingsInvalid, match="OUTBOUND_ALLOW_PORTS: must be ports from 1 to"):
        load_settings({"OUTBOUND_ALLOW_PORTS": text})


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"DATABSE_URL": "x"}, {"DATABSE_URL": "DATABASE_URL"}),
        ({"DATABASE_URI": "x"}, {"DATABASE_URI": "DATABASE_URL"}),
        ({"REDIS_ULR": "x"}, {"REDIS_ULR": "REDIS_URL"}),
        ({"encryption_key": "x"}, {"encryption_key": "ENCRYPTION_KEY"}),
        ({"OPENAI_APIKEY": "x"}, {"OPENAI_APIKEY": "OPENAI_API_KEY"}),
        ({"HOSTS": "x"}, {"HOSTS": "HOST"}),
        # Set as it should be: what stands beside it is somebody else's.
        ({"REDIS_ULR": "x", "REDIS_URL": "redis://localhost"}, {}),
        ({"REDIS_ULR": ""}, {}),
        # Known to other programs, and far enough from our own.
        ({"HOME": "/", "PATH": "/", "PWD": "/", "PORTAL": "x", "REDIS_HOST": "x"}, {}),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "x", "SENTRY_ENVIRONMENT": "x"}, {}),
        ({"CLERK_WEBHOOK_SIGNING_SECRET": "whsec_" + "a" * 32, "CLERK_ISSUER": "https://c.x"}, {}),
    ],
)
def test_a_name_that_is_almost_a_settings_is_found(variables, found):
    assert load_settings(variables, providers={"openai"}).misspelt == found
