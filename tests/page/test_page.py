"""The operator's page in a real Chromium: live without a reload, usable by keyboard, readable by everybody."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.admin.conftest import SETTLE, TOKENS
from tests.stage import Stage, playing
from tests.upstream import Play, Upstream

# Milliseconds; the page asks every two seconds.
PATIENCE = 30_000

Open = Callable[..., Page]


@pytest.fixture
def stage(upstream: Upstream, tmp_path: Path) -> Iterator[Stage]:
    with playing(upstream, "memory:", tmp_path, TOKENS) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, stage: Stage) -> Iterator[Open]:
    """Opens the page, signed in; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    with ExitStack() as stack:

        def opened(scheme: str = "light", width: int = 1200) -> Page:
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})  # type: ignore[arg-type]  # a literal
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            page.on("console", lambda said: complaints.append(said.text) if a_fault(said) else None)
            page.on("pageerror", lambda fault: complaints.append(str(fault)))
            page.on("request", lambda asked: complaints.append(asked.url) if place(stage) not in asked.url else None)
            page.request.post(f"{place(stage)}/session", form={"token": SETTLE})
            page.goto(place(stage))
            return page

        yield opened
    assert complaints == []


def a_fault(said: ConsoleMessage) -> bool:
    """What a page complains of; that it was answered 401 is how the form for a token comes."""
    return said.type == "error" and "status of 401" not in said.text


def place(stage: Stage) -> str:
    return f"http://127.0.0.1:{stage.admin_port}"


def lose(stage: Stage, key: str) -> None:
    stage.upstream.then(Play(then="reset"))
    assert stage.post(key).status == 502


def test_an_unknown_key_appears_without_a_reload_is_resolved_and_the_retry_gets_that_answer(
    visit: Open, stage: Stage
) -> None:
    page = visit()
    expect(page.get_by_text("Every call that was sent has been answered")).to_be_visible()
    lose(stage, "order-1")
    record = page.locator("a.id")
    expect(record).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("status")).to_have_text("1 key is unknown.")
    record.click()
    page.get_by_text("It was executed: give its answer").click()
    page.get_by_label("Status").fill("201")
    page.get_by_label("Body").fill('{"id": 7}')
    resolve = page.locator("form[action$=resolve]")
    resolve.get_by_label("Why, for the history").fill("found in the upstream's ledger")
    resolve.get_by_role("checkbox").check()
    resolve.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("Every later call with this key gets that answer.")).to_be_visible()
    expect(page.get_by_role("cell", name="found in the upstream's ledger")).to_be_visible()
    retry = stage.post("order-1")
    assert (retry.told, retry.body) == ("201 replayed", b'{"id": 7}')
    assert stage.upstream.count("order-1") == 1


def test_a_key_is_found_and_released_by_the_keyboard_alone(visit: Open, stage: Stage) -> None:
    lose(stage, "order-2")
    page = visit()
    page.get_by_label("The key as the client sent it").focus()
    page.keyboard.type("order-2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Decide")).to_be_visible()
    page.get_by_text("It was not executed: free the key").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("asked them")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The next call with this key is sent.")).to_be_visible()
    assert stage.post("order-2").told == "201 executed"


def test_a_button_without_its_box_ticked_does_nothing(visit: Open, stage: Stage) -> None:
    lose(stage, "order-3")
    page = visit()
    page.locator("a.id").click()
    page.get_by_text("It was not executed: free the key").click()
    page.get_by_role("button", name="Release").click()
    assert stage.post("order-3").told == "409 unknown outcome-unknown"


def test_what_is_being_typed_stays_while_the_page_lives(visit: Open, stage: Stage) -> None:
    lose(stage, "order-4")
    page = visit()
    page.locator("a.id").click()
    page.get_by_text("It was executed: give its answer").click()
    page.get_by_label("Body").fill("half an answer")
    with page.expect_response(lambda heard: "/live?" in heard.url):
        pass
    expect(page.get_by_label("Body")).to_have_value("half an answer")
    expect(page.get_by_label("Body")).to_be_focused()


def test_a_record_that_another_operator_decided_says_so_by_itself(visit: Open, stage: Stage) -> None:
    lose(stage, "order-5")
    here, there = visit(), visit()
    for page in (here, there):
        page.locator("a.id").click()
    there.get_by_text("It was not executed: free the key").click()
    release = there.locator("form[action$=release]")
    release.get_by_role("checkbox").check()
    release.get_by_role("button", name="Release").click()
    expect(here.get_by_text("The record has moved on since you opened this page")).to_be_visible(timeout=PATIENCE)
    expect(here.get_by_text("Nothing is to be decided")).to_be_visible()


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_passes_axe_and_fits_its_window(visit: Open, stage: Stage, scheme: str, width: int) -> None:
    lose(stage, "order-6")
    stage.post("done")
    page = visit(scheme, width)
    accessible(page)
    page.locator("a.id").click()
    for summary in page.locator("summary").all():
        summary.click()
    accessible(page)
    page.goto(f"{place(stage)}/keys")
    accessible(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("A token of")).to_be_focused()
    accessible(page)


def accessible(page: Page) -> None:
    """axe-core finds nothing, and nothing sticks out of the window."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
