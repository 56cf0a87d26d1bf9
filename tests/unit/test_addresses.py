"""Addresses of files: which are taken, and that nothing secret of them is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loopd.config import PoolSection
from loopd.config.addresses import shown_url

GOOD = (
    *("s3://b/x.csv", "hf://datasets/o/n/*.parquet", "https://h/x", "memory://x", "file:///x"),
    *("abfs://container@account.dfs.core.windows.net/x.csv", "s3://b/day?.csv", "s3://b/[0-9].csv"),
    *("wasbs://c@a.blob.core.windows.net/*.csv", "sftp://host:2222/x.csv", "s3://b/a@b.csv"),
    *("hf://datasets/o/n@main/x.csv", "s3://b/day=1/x?.csv", "https://h:8443/a@b/*.csv"),
    "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/name/x.csv",
)


@pytest.mark.parametrize("url", GOOD)
def test_addresses(url: str) -> None:
    assert PoolSection(url=url, follow="10m").pace == 600.0
    assert shown_url(url) == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("tickets.csv", "no address"),
        ("s3:/b/x", "no address"),
        ("s3://", "no address"),
        ("https://[x/*.csv", "no address"),
        ("s3://[b]/x", "no address"),
        ("https:///x.csv", "no address"),
        ("https://ann:secret@h/x.csv", "must hold no account"),
        ("ftp://ann@h/x.csv", "must hold no account"),
        ("abfs://container:secret@account/x.csv", "must hold no account"),
        ("file:////ann:secret@h/x.csv", "must hold no account"),
        ("https://ann:se/cret-secret@h/x.csv", "no address"),
        ("s3://ann:se/cret@bucket/x.csv", "must hold no account"),
        ("smb://ann:se/cret@h/x.csv", "must hold no account"),
        ("zip://a.csv::https://ann:secret@h/x.zip", "must hold no account"),
        ("zip://a.csv::https://h/x.zip", "one address"),
        ("zip://a.csv::https://h/x.zip?token=secret", "one address"),
        ("https://h/x.csv?signature=secret", "behind"),
        ("https://h/x.csv?secret", "behind"),
        ("https://h/x.csv#secret", "behind"),
        ("s3://b/x.csv?key=secret", "behind"),
        ("s3://b/x.csv#secret", "behind"),
    ],
)
def test_no_addresses(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        PoolSection(url=url)
    assert "secret" not in str(caught.value.errors(include_input=False, include_url=False))
    assert "secret" not in shown_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/x.csv?token=secret", "https://h/x.csv"),
        ("https://h/x.csv#secret", "https://h/x.csv"),
        ("ftp://ann:secret@h/x", "ftp://h/x"),
        ("zip://a.csv::https://ann:secret@h/x.zip", "zip://..."),
        ("ann:secret@h/x", "h/x"),
        ("s3://ann:se/cret@bucket/x.csv", "s3://..."),
        ("https://[x/*.csv", "https://[x/*.csv"),
        ("file:///\udcff.csv", "file:///\ufffd\ufffd\ufffd.csv"),
    ],
)
def test_how_addresses_are_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@given(st.text(alphabet=st.characters(), max_size=30))
def test_anything_can_be_shown(url: str) -> None:
    shown_url(url).encode()
    shown_url(f"https://{url}").encode()
