"""What is held back unless its owner asks for it: special categories of data (GDPR, Article 9), money and children.

A lexicon of stems in some European languages, with a few words of other scripts, and of well-known sites. It errs on
the side of silence (``Churchill`` is taken for a church) and still misses what it has no word for: brand names, slang,
languages that are not listed, a harmless word for a thing that is not. A person can deny what slips through.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import pyarrow as pa

# name -> (stems that a word begins with, stems anywhere in a word, whole words or phrases)
LEXICON: dict[str, tuple[str, str, str]] = {
    "health": (
        "cancer depress psychiatr psycholog psychother therap diabet hospital clinic klinik krankenh krank doctor "
        "arzt arzte medic medizin patient pharma apothek farmac symptom disease illness surgery surgic chirurg "
        "vaccin impf pregnan schwanger embaraz gravidanz enceinte abort avort fertil ivf alzheimer dement autis "
        "adhd adhs bipolar schizo anorex bulim addict sucht alcohol alkohol alcool rehab suicid suizid selbstmord "
        "selfharm epilep parkinson migraine migran allerg asthma insulin chemo oncolog onkolog sante salud saude "
        "salute hopital ospedal enferm malad malatt zdrow lekarz szpital choroba gezondheid ziekenhuis ziek "
        "dokter disabil behinder handicap fibromyalg menopaus wechseljahr hepatit tuberkul krebs",
        "krankheit erkrankung krebsvor brustkrebs therapie",
        "hiv aids std sti doktor doc mental health self harm panic attack burn out burnout болезнь больница врач "
        "здоровье депрессия рак 癌 病院 医院 医疗 うつ 健康 مرض مستشفى صحة",
    ),
    "religion": (
        "relig church kirch eglise iglesi chies igreja mosque mosche mezquita moschea mosquee synagog islam "
        "muslim moslem musulman christian christ catholic kathol catoli protestant evangeli orthodox juda jewis "
        "judisch judai buddh hindu sikh prayer gebet pray bibl quran koran coran torah talmud talmud bapti pastor "
        "priest priester pfarr sermon predigt gospel worship gottesdienst ramadan halal kosher koscher rosary "
        "vatican vatikan pilgrim pilger atheis temple god gott jesus allah kosciol kerk gebed modlitw jehova "
        "mormon scientolog",
        "",
        "pope papst mass imam rabbi dios dieu церковь религия ислам молитва 宗教 教会 寺 دين مسجد صلاة",
    ),
    "politics": (
        "politic politik polit election elect wahlkampf parlament parliament bundestag senat congress democrat "
        "republican conservativ konservativ liberal sociali sozialis communis kommunis anarch fascis faschis nazi "
        "labour tory tories socialdem sozialdem activis aktivis protest demonstr petition referendum government "
        "regierung campaign kandidat candidat partido partei parti partito stranka wahlen elecc elezion eleic "
        "wybor verkiez president minister brexit maga antifa",
        "wahlprogramm parteitag",
        "afd cdu csu spd fdp gop psoe vox political party vote voting выборы политика партия 政治 選挙 选举 سياسة "
        "انتخابات",
    ),
    "sexuality": (
        "sex porn erot nude nackt fetish bdsm lgbt queer homosex heterosex bisex transgender transsex transident "
        "lesb schwul dating hookup escort gender onlyfans xvideos xhamster pornhub redtube youporn chaturbate "
        "grindr tinder bumble okcupid romeo viagra contracep verhut libido gayroyal",
        "porno sexual",
        "gay gays trans drag pride xxx adult секс гей порно 性 同性 جنس",
    ),
    "ethnicity": (
        "ethnic ethnisch etnic racis rassis racial migrant immigr refugee fluchtling asyl asylum visa deport roma "
        "sinti gypsy zigeuner aborigin indigenous indigen nativeameric blacklives diaspora citizenship einburger "
        "aufenthaltstitel ancestry genealog ahnenforsch 23andme",
        "",
        "black lives matter green card миграция беженец 民族 移民 عرق هجرة",
    ),
    "union": (
        "union gewerkschaft syndica sindica betriebsrat vakbond zwiazk strike streik greve huelga sciopero",
        "gewerkschaft",
        "verdi ig metall afl cio tuc профсоюз 労働組合 工会 نقابة",
    ),
    "genetics": (
        "genom genetic gentest biometr fingerprint",
        "",
        "dna test dna gene genes",
    ),
    "money": (
        "bank banco banca banque sparkass loan kredit credit debt schuld schufa mortgage hypothek salary gehalt "
        "lohn insolven bankrupt inkasso invest crypto bitcoin krypto aktie depot broker pension rente tax steuer "
        "finanz financ paypal insurance versicher arbeitslos jobcenter burgergeld welfare unemploy gambl casino "
        "betting poker lotto sportwett wettburo impots impuest impost belasting podatek dlug deuda dette",
        "sparkasse versicherung",
        "stock stocks shares iban 401k банк кредит 銀行 银行 بنك",
    ),
    "children": (
        "child kinder kindergart kita schule school daycare nursery baby babies toddler kleinkind parenting "
        "custody sorgerecht adoption pediatr kinderarzt playground enfant bambin crianca dzieck escuela ecole "
        "scuola",
        "",
        "kid kids kind kids club nino ninos ребенок школа 子供 儿童 طفل",
    ),
    "justice": (
        "crimin kriminal lawsuit prison gefangnis probation bewahrung arrest verhaft lawyer rechtsanwalt anwalt "
        "abogad avocat court gericht divorce scheidung polic poliz",
        "",
        "суд тюрьма 裁判 犯罪",
    ),
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+|\d+[^\W\d_]+")
_OTHER_SCRIPT = re.compile(r"[^\x00-\u024f]")  # beyond Latin: there a word need not stand alone
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")  # but for this one


def category(text: str) -> str | None:
    """The sensitive category of which a text speaks, by its first telling word; None where the lexicon finds none."""
    plain = _plain(text)
    words = _WORD.findall(plain)
    for word in words:
        if (found := _of_word(word)) is not None:
            return found
    if len(words) > 1:
        spaced = f" {' '.join(words)} "
        for phrase, name in _PHRASES.items():
            if f" {phrase} " in spaced:
                return name
    if _OTHER_SCRIPT.search(plain):
        for word, name in _ANYWHERE.items():
            if word in plain:
                return name
    return None


@lru_cache(100_000)
def _of_word(word: str) -> str | None:
    for name, (begins, inside, whole) in _LISTS.items():
        if word.startswith(begins) or word in whole or any(one in word for one in inside):
            return name
    return None


def categories(labels: pa.ChunkedArray, things: pa.ChunkedArray) -> pa.ChunkedArray:
    """(rows,) the category of each row, null for none, by its label and by what its thing's id says in words."""
    import pyarrow.compute as pc

    both = pc.binary_join_element_wise(labels, things, "\n")
    encoded = (
        both.combine_chunks().dictionary_encode()
        if len(both)
        else pa.array([], pa.string()).dictionary_encode()
    )
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    of = [category(_telling(text)) for text in encoded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(of, pa.string()).take(encoded.indices)])


def _telling(text: str) -> str:
    """The label, and the thing's id where that is words: a site, an app, a category."""
    label, _, thing = text.rpartition("\n")
    facet, _, named = thing.partition(":")
    return f"{label} {named}" if facet in ("site", "app", "category") else label


def _plain(text: str) -> str:
    """Small letters without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


_SEVERAL = (
    "mental health", "self harm", "panic attack", "burn out", "political party", "black lives matter", "green card",
    "ig metall", "dna test", "kids club",
)  # fmt: skip


def _listed(whole: str) -> tuple[frozenset[str], list[str]]:
    """Single words, and phrases, which are those of ``_SEVERAL``."""
    text, phrases = f" {' '.join(whole.split())} ", []
    for phrase in _SEVERAL:
        if f" {phrase} " in text:
            phrases.append(phrase)
            text = text.replace(f" {phrase} ", " ")
    return frozenset(map(_plain, text.split())), phrases


_LISTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], frozenset[str]]] = {}
_PHRASES: dict[str, str] = {}
_ANYWHERE: dict[str, str] = {}
for _name, (_begins, _inside, _whole) in LEXICON.items():
    _words, _several = _listed(_whole)
    _LISTS[_name] = (tuple(map(_plain, _begins.split())), tuple(map(_plain, _inside.split())), _words)
    _PHRASES |= dict.fromkeys(_several, _name)
    _ANYWHERE |= {word: _name for word in _words if _OTHER_SCRIPT.match(word) and not _CYRILLIC.match(word)}
