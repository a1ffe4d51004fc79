"""What the environment may say."""

import pytest

from app.core.settings import SettingsInvalid, load_settings


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://user:p%40ss@cache.example:6380/2?health_check_interval=5",
        "rediss://default:secret@cache.example:6379",
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


def test_without_an_address_there_is_none():
    assert load_settings({"REDIS_URL": ""}).redis_url is None
