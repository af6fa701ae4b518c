"""The same activities in twelve languages, JSON and HTML, are the same events."""

from __future__ import annotations

import json
import shutil
import unicodedata
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from babel.dates import format_date, format_time

from forge_core.sources.titles import Manner, language_of, untag
from forge_core.sources.wording import LANGUAGES, PRODUCTS
from tests.core.readers import cell, folder, page, read_all

# language: region, watched, searched, visited, used, Search, Video Search
SPEECH = {
    "en": ("en_US", "Watched {}", "Searched for {}", "Visited {}", "Used {}", "Search", "Video Search"),
    "de": ("de_DE", "{} angesehen", "Gesucht nach: {}", "Besucht: {}", "{} verwendet", "Google Suche",
           "Videosuche"),
    "fr": ("fr_FR", "Vous avez regardé {}", "Vous avez recherché {}", "Vous avez consulté {}",
           "Vous avez utilisé {}", "Recherche", "Recherche de vidéos"),
    "es": ("es_ES", "Has visto {}", "Has buscado {}", "Has visitado {}", "Has usado {}", "Búsqueda",
           "Búsqueda de vídeos"),
    "pt": ("pt_BR", "Assistiu a {}", "Pesquisou por {}", "Visitou {}", "Usou {}", "Pesquisa",
           "Pesquisa de vídeos"),
    "it": ("it_IT", "Hai guardato {}", "Hai cercato {}", "Hai visitato {}", "Hai usato {}", "Ricerca",
           "Ricerca video"),
    "nl": ("nl_NL", "Je hebt naar {} gekeken", "Je hebt gezocht naar {}", "Je hebt {} bezocht",
           "Je hebt {} gebruikt", "Zoeken", "Video's zoeken"),
    "pl": ("pl_PL", "Obejrzano: {}", "Wyszukano: {}", "Odwiedzono: {}", "Używano: {}", "Wyszukiwarka",
           "Wyszukiwanie filmów"),
    "tr": ("tr_TR", "{} adlı videoyu izlediniz", "{} için arama yaptınız", "{} sitesini ziyaret ettiniz",
           "{} uygulamasını kullandınız", "Arama", "Video Arama"),
    "ja": ("ja_JP", "{} を視聴しました", "{} を検索しました", "{} にアクセスしました", "{} を使用しました", "検索",
           "動画検索"),
    "ar": ("ar_EG", "تمت مشاهدة {}", "تم البحث عن {}", "تمت زيارة {}", "تم استخدام {}", "البحث", "بحث الفيديو"),
    "zh_Hans": ("zh_Hans_CN", "观看了 {}", "搜索了 {}", "访问了 {}", "使用了 {}", "搜索", "视频搜索"),
    "zh_Hant": ("zh_Hant_HK", "觀看了 {}", "搜尋了 {}", "造訪了 {}", "使用了 {}", "搜尋", "影片搜尋"),
}  # fmt: skip
START = datetime(2021, 9, 30, 1, 44, 33, tzinfo=UTC)
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
CHANNEL = ("Channel", "https://www.youtube.com/channel/UC0123456789")

# (which wording, header: its place in SPEECH or its name, about, address)
ACTIVITIES = [
    (1, "YouTube", "Film One", "https://www.youtube.com/watch?v=video000001"),
    (1, "YouTube Music", "Ünïcode [Official] 歌", "https://www.youtube.com/watch?v=video000002"),
    (2, "YouTube", "piano & river", "https://www.youtube.com/results?search_query=piano+%26+river"),
    (2, 5, "quantum physics", "https://www.google.com/search?q=quantum+physics"),
    (2, 6, "cats", "https://www.google.com/search?tbm=vid&q=cats"),
    (2, "Maps", "Lake, Mississippi", "https://www.google.com/maps/search/Lake"),
    (3, 5, "Example page", "https://www.google.com/url?q=https://example.test/page&usg=x"),
    (3, "Chrome", "Other page", "https://other.test/"),
    (4, "Android", "Camera", "https://play.google.com/store/apps/details?id=com.example.camera"),
]


def when(number: int) -> datetime:
    return START - timedelta(days=11 * number, hours=5 * number, minutes=7 * number, seconds=number)


def localised(at: datetime, region: str) -> str:
    """As ICU writes it in HTML exports: the medium date and the time with seconds and zone."""
    text = f"{format_date(at, 'medium', locale=region)}, {format_time(at, 'long', locale=region, tzinfo=UTC)}"
    return text.translate(ARABIC) if region == "ar_EG" else text


def exported(language: str, kinds: tuple[int, ...]) -> tuple[str, str]:
    """(JSON, HTML) of the activities of these kinds."""
    speech = SPEECH[language]
    records, cells = [], []
    for number, (kind, header, about, url) in enumerate(ACTIVITIES):
        if kind not in kinds:
            continue
        name = header if isinstance(header, str) else speech[header]
        before, _, after = speech[kind].partition("{}")
        record = {"header": name, "title": speech[kind].format(about), "titleUrl": url,
                  "time": f"{when(number):%Y-%m-%dT%H:%M:%S}.123Z", "products": [name]}  # fmt: skip
        body = (
            f'{before.replace(" ", "&nbsp;")}<a href="{url.replace("&", "&amp;")}">'
            f"{about.replace('&', '&amp;')}</a>{after}<br>"
        )
        if kind == 1:
            record["subtitles"] = [{"name": CHANNEL[0], "url": CHANNEL[1]}]
            body += f'<a href="{CHANNEL[1]}">{CHANNEL[0]}</a><br>'
        records.append(record)
        cells.append(
            cell(header=name.replace("'", "&#39;"), body=body, date=localised(when(number), speech[0]))
        )
    return json.dumps(records, ensure_ascii=False, indent=2), page(*cells)


def members(language: str) -> dict[str, str]:
    watch, other = exported(language, (1,)), exported(language, (2, 3, 4))
    return {"watch.json": watch[0], "watch.html": watch[1], "my.json": other[0], "my.html": other[1]}


def without_place(found):
    """Rows but for what differs between layouts."""
    left_out = {"member", "zone", "time", "sequence"}
    return {
        kind: sorted(
            ({name: value for name, value in row.items() if name not in left_out} for row in rows), key=str
        )
        for kind, rows in found.rows.items()
    }


@pytest.mark.parametrize("language", [name for name in SPEECH if name != "en"])
def test_F_A8_any_language_gives_the_same_events_as_english(tmp_path, language):
    english = read_all(folder(tmp_path / "en", members("en")))

    found = read_all(folder(tmp_path / language, members(language)))

    assert len(english.ids()) == len(ACTIVITIES)
    assert english.ids("watch.json") == english.ids("watch.html")
    assert english.ids("my.json") == english.ids("my.html")
    assert found.quarantined == found.passed_over == {}
    for member in members(language):
        assert found.ids(member) == english.ids(member)
    assert without_place(found) == without_place(english)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("language", ["de", "fr", "ja", "ar", "tr"])
def test_F_A8_composed_and_decomposed_letters_and_names_give_the_same_rows(tmp_path, language, form):
    content = {
        f"Takeout/Aktivitäten/Übersicht é ğ/{unicodedata.normalize(form, name)}": unicodedata.normalize(
            form, text
        )
        for name, text in members(language).items()
    }

    found = read_all(folder(tmp_path, content))

    assert found.quarantined == {}
    assert len(found.ids()) == len(ACTIVITIES)
    assert {kind: len(rows) for kind, rows in found.rows.items()} == {
        "watch": 4, "search": 8, "browse": 4, "app_usage": 2,
    }  # fmt: skip


def test_F_A8_file_names_in_cp437_make_no_difference(tmp_path):
    path = tmp_path / "takeout.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in members("de").items():
            packed.writestr(f"Takeout/Meine Aktivit#ten/{name}", text)
    path.write_bytes(path.read_bytes().replace(b"Aktivit#ten", b"Aktivit\x84ten"))

    found = read_all(path)

    assert any("Aktivitäten" in member for member in found.report.members)
    assert len(found.ids()) == len(ACTIVITIES)


@pytest.mark.parametrize("language", list(SPEECH))
def test_the_language_is_told_by_the_wording(language):
    titles = [SPEECH[language][kind].format(about) for kind, _, about, _ in ACTIVITIES]

    assert language_of(titles) == language
    assert language_of(["Film 1", "", "x" * 1000]) == "en"


def test_titles_in_english_with_the_dates_of_another_language(tmp_path):
    """As Chinese exports are: 2026年7月30日 00:23:06 CEST beside "Watched"."""
    cells = [cell(1, date="2021年9月30日 03:00:01 CEST"), cell(2, date="2021年9月30日 GMT+8 09:00:02")]

    found = read_all(folder(tmp_path, {"h.html": page(*cells)}))

    assert found.ids() == read_all(folder(tmp_path / "en", {"h.html": page(cell(1), cell(2))})).ids()


def test_the_order_of_numeric_dates_is_decided_by_other_dates_of_the_file(tmp_path):
    cells = [cell(1, date="09/08/2021, 1:00:01 AM UTC"), cell(2, date="09/30/2021, 1:00:02 AM UTC")]

    found = read_all(folder(tmp_path, {"h.html": page(*cells)}))

    assert [f"{row['time']:%m-%d}" for row in found.rows["watch"]] == ["09-08", "09-30"]


def test_the_order_of_numeric_dates_is_not_guessed(tmp_path):
    cells = [cell(1, date="09/08/2021, 1:00:01 AM UTC"), cell(2, date="09/09/2021, 1:00:02 AM UTC")]

    found = read_all(folder(tmp_path, {"h.html": page(*cells)}))

    assert [row["item"] for row in found.rows["watch"]] == ["youtube:video000002"]
    assert found.quarantined == {"unknown date": 1}


def test_the_manner_of_the_first_part_holds_for_all_parts(tmp_path):
    """A part with one doubtful date is read as the others are."""
    from forge_core.sources import Options

    cells = [cell(n, date=f"09/{n % 15 + 14}/2021, 1:00:01 AM UTC") for n in range(3000)]
    cells = [
        cell(1, date="09/08/2021, 1:00:00 AM UTC"),
        *cells,
        cell(5000, date="09/07/2021, 1:00:01 AM UTC"),
    ]

    found = read_all(folder(tmp_path, {"h.html": page(*cells)}), options=Options(part_bytes=1 << 20))

    assert found.quarantined == {}
    assert len({f"{row['time']:%m}" for row in found.rows["watch"]}) == 1


def test_manners_travel_with_parts():
    manner = Manner("de", frozenset(("M/d/y", "y年M月d日")))

    assert untag(manner.tag(b"<div")) == (manner, b"<div")
    assert untag(b"<div") == (Manner(), b"<div")


def test_german_words_in_an_english_export_are_part_of_the_title(tmp_path):
    records = [
        {"header": "YouTube", "title": f"Watched Film {n} angesehen", "time": "2021-09-30T01:44:33Z",
         "titleUrl": f"https://www.youtube.com/watch?v=video{n:06d}"}
        for n in range(3)
    ]  # fmt: skip

    found = read_all(folder(tmp_path, {"h": json.dumps(records)}))

    assert found.rows["watch"][0]["title"] == "Film 0 angesehen"


def test_a_search_of_unknown_wording_is_told_by_its_link(tmp_path):
    record = {"header": "Haku", "title": "Haettiin hakusanalla kissat ja koirat", "time": "2021-09-30T01:44:33Z",
              "titleUrl": "https://www.google.com/search?q=kissat+ja%20koirat"}  # fmt: skip
    other = record | {"title": "Katsottiin jotain"}

    found = read_all(folder(tmp_path, {"h": json.dumps([record, other])}))

    assert [row["item"] for row in found.rows["search"]] == ["search:search:kissat ja koirat"]
    assert found.passed_over == {"other activity": 1}


@pytest.mark.parametrize("detail", ["From Google Ads", "Von Google Anzeigen", "Google 広告"])
@pytest.mark.parametrize("layout", ["json", "html"])
def test_advertisements_are_known_in_other_languages(tmp_path, detail, layout):
    language = {"F": "en", "V": "de", "G": "ja"}[detail[0]]
    content = exported(language, (1,))[layout == "html"]
    if layout == "json":
        records = json.loads(content)
        records[0]["details"] = [{"name": detail}]
        content = json.dumps(records)
    else:
        content = content.replace(
            "<b>Products:</b><br>", f"<b>Details:</b><br>&emsp;{detail}<br><b>P:</b>", 1
        )

    found = read_all(folder(tmp_path, {"h": content}))

    assert found.passed_over == {"advertisement": 1}
    assert len(found.rows["watch"]) == 1


def test_each_language_has_words_for_all_that_is_read():
    assert len(LANGUAGES) == 13  # Chinese is written in two ways
    for wording in LANGUAGES.values():
        for templates in wording:
            assert templates
            assert all(template.count("{}") == 1 for template in templates)
    names = [name for names in PRODUCTS.values() for name in names]
    assert len(names) == len(set(names))


def test_a_moved_export_is_the_same(tmp_path):
    """Folder names are translated too and play no part."""
    path = folder(tmp_path, {f"Takeout/{name}": text for name, text in members("ja").items()})
    before = read_all(path).ids()
    moved = Path(shutil.move(path / "Takeout", path / "テイクアウト"))

    assert read_all(moved.parent).ids() == before
