"""The browser of tests: a page that asks for something, or complains, is seen."""

import pytest

from tests.browser import quiet_page

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "content", ["<img src='other.png'>", "<script>console.error('no')</script>", "<script>throw 'no'</script>"]
)
def test_what_a_page_does_is_seen(browser, tmp_path, content):
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html>{content}")
    with pytest.raises(AssertionError), quiet_page(browser, path.as_uri()):
        pass


def test_a_quiet_page(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><p>words")
    with quiet_page(browser, path.as_uri()) as page:
        assert page.locator("p").text_content() == "words"
