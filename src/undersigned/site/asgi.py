"""The site's doorway: the list of letters, a page for each, a stylesheet. Drawn once per head, with strong ETags."""

from collections.abc import Callable, Iterable
from importlib.resources import files

from undersigned.site.page import letter_page, list_page, missing_page
from undersigned.site.view import LetterView
from undersigned.web import Answer, Request, Router, tagged

CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class SiteRoom:
    """Pages for readers. `view` gives a letter by slug as it stands, `slugs` the letters there are."""

    def __init__(self, *, view: Callable[[str], LetterView | None], slugs: Callable[[], Iterable[str]]) -> None:
        self._view, self._slugs = view, slugs
        self._kept: dict[str, tuple[tuple[int, bool, int], bytes]] = {}
        self._css = (files("undersigned.site") / "letter.css").read_bytes()
        self.router = Router()
        self.router.add("GET", "/", self._get_list)
        self.router.add("GET", "/static/letter.css", self._get_css)
        self.router.add("GET", "/l/(?P<slug>[a-z0-9-]{1,64})/?", self._get_letter)

    def _get_letter(self, request: Request) -> Answer:
        slug = request.part["slug"]
        view = self._view(slug)
        if view is None:
            return _page(missing_page().encode(), request, status=404)
        drawn_for = (view.checkpoint.size, view.witnessed, len(view.cards))
        if self._kept.get(slug, (None,))[0] != drawn_for:
            self._kept[slug] = (drawn_for, letter_page(view).encode())
        return _page(self._kept[slug][1], request)

    def _get_list(self, request: Request) -> Answer:
        views = [view for view in map(self._view, self._slugs()) if view is not None]
        return _page(list_page(views).encode(), request)

    def _get_css(self, request: Request) -> Answer:
        headers = {"cache-control": "public, max-age=300"}
        return tagged(Answer(body=self._css, type="text/css; charset=utf-8", headers=headers), request)


def _page(body: bytes, request: Request, *, status: int = 200) -> Answer:
    headers = {"content-security-policy": CSP, "cache-control": "no-cache", "x-frame-options": "DENY"}
    answer = Answer(body=body, status=status, type="text/html; charset=utf-8", headers=headers)
    return tagged(answer, request) if status == 200 else answer
