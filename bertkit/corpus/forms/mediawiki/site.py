"""Describes a wiki: its language, names of namespaces, variants, redirects."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bertkit.corpus.forms.mediawiki.templates import Templates, templates_of
from bertkit.corpus.forms.mediawiki.variants import order_of


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# A dump names its own namespaces; these are the canonical ones and well-known aliases.
_FILES = _words(
    """
    file image media bild datei fichier archivo imagen файл изображение картинка
    plik grafika ficheiro imagem bestand afbeelding immagine fil tập_tin hình tệp
    датотека слика 文件 档案 檔案 圖像 图像 ファイル 画像 파일 그림 ملف پرونده קובץ चित्र
    dosya berkas gambar tiedosto kuva soubor fájl kép
    """
)
_CATEGORIES = _words(
    """
    category kategorie catégorie categoría категория categoria kategoria categorie
    kategori категорія luokka kategória thể_loại kategorija категорија קטגוריה تصنيف
    رده श्रेणी 分类 分類 カテゴリ 분류
    """
)
_NAMESPACE = re.compile(r'<namespace key="(-?\d+)"[^<>]*>([^<]+)<')
_LANGUAGE = re.compile(r'<mediawiki\b[^<>]*\sxml:lang="([A-Za-z-]+)"')
_DBNAME = re.compile(r"<dbname>\s*([\w-]+)\s*</dbname>")
_SHOWN_NOWHERE = {"-2", "6", "14"}
_TEMPLATE = "10"
# Projects in the names of databases: frwiki, dewiktionary.
_PROJECT = re.compile(
    r"(.+?)(?:wiki|wiktionary|wikibooks|wikinews|wikiquote|wikisource|wikiversity|wikivoyage)"
)

# What begins a redirect, beside the English word, on wikis in many languages.
_REDIRECTS = frozenset(
    _words(
        """
        redirect redirection redirección redireccion redirecció weiterleitung
        doorverwijzing rinvia rinvio redirecionamento перенаправление перенапр
        omdirigering omdiriger patrz przekieruj tam 重定向 転送 リダイレクト 넘겨주기
        перенаправлення переадресація přesměruj presmeruj átirányítás ohjaus
        uudelleenohjaus yönlendirme yönlendir đổi đổi_hướng alih تحويل تغییر_مسیر تغییرمسیر הפניה
        пренасочване виж
        преусмери preusmjeri
        preusmeri preusmeritev अनुप्रेषित पुनर्प्रेषित
        पुनर्निर्देशन redirecteaza redirecționează ανακατευθυνση suuna birzuzendu
        peradresavimas alidirektu lencongan tilvísun ridrejto пренасочување види
        เปลี่ยนทาง айдау հղում վերահղում გადამისამართება পুনর্নির্দেশ வழிமாற்று
        దారిమార్పు തിരിച്ചുവിടുക
        """
    )
)
_REDIRECT = re.compile(r"\s*#([^\s\[\]#*<>{}|:]+)\s*(?::\s*)?\[\[[^\[\]\n]+\]\]", re.IGNORECASE)
# No comment reaches beyond its end, so that there is one way to read a row of them.
_AFTER_REDIRECT = re.compile(
    r"(?:\s|\{\{[^{}]*\}\}|\[\[[^\[\]]*\]\]|<!--(?:(?!-->).)*-->)*", re.DOTALL
)


@dataclass(frozen=True)
class Site:
    """What the pages of a wiki have in common.

    Attributes:
        dropped: prefixes of links that show nothing in the text, in lower case: files and
            categories.
        language: of the wiki, ISO 639 code; "" if the dump does not say.
        database: its name, such as `frwiki`; "" if the dump does not say.
        variant: the wanted one of a wiki that is written in several, or "".
        prefixes: of calls of templates, in lower case.
        unknown: what an unknown template within a sentence leaves: `drop`, nothing; `last`,
            its last argument.
    """

    dropped: frozenset[str] = frozenset(_FILES + _CATEGORIES)
    language: str = ""
    database: str = ""
    variant: str = ""
    prefixes: tuple[str, ...] = ("template:", "subst:", "safesubst:", "msg:")
    unknown: str = "drop"
    variants: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "variants", order_of(self.language, self.variant))

    @property
    def templates(self) -> Templates:
        """What the templates of the wiki become."""
        return templates_of(self.language)

    @property
    def name(self) -> str:
        """Database and language, for people; "" if neither is known."""
        if self.database and self.language:
            return f"{self.database} ({self.language})"
        return self.database or self.language


def site_of(head: str, variant: str = "", unknown: str = "drop") -> Site:
    """The wiki that the head of a dump describes.

    Args:
        head: its first characters, as far as the names of namespaces.
        variant: as of `Site`.
        unknown: as of `Site`.
    """
    names = list(_FILES + _CATEGORIES)
    prefixes = list(Site.prefixes)
    for key, name in _NAMESPACE.findall(head):
        if key in _SHOWN_NOWHERE:
            names.append(name.lower())
        elif key == _TEMPLATE:
            prefixes.append(f"{name.lower()}:")
    tag, database = _LANGUAGE.search(head), _DBNAME.search(head)
    language = tag[1].lower() if tag else ""
    if not language and database and (project := _PROJECT.fullmatch(database[1])):
        language = project[1].replace("_", "-")
    return Site(
        dropped=frozenset(name.replace("_", " ") for name in names) | frozenset(names),
        language="en" if language == "simple" else language,
        database=database[1] if database else "",
        variant=variant,
        prefixes=tuple(dict.fromkeys(prefixes)),
        unknown=unknown,
    )


def is_redirect(text: str) -> bool:
    """True if a page is a redirect by its text: by a known word, or if it holds nothing else."""
    found = _REDIRECT.match(text)
    if found is None:
        return False
    if found[1].lower() in _REDIRECTS:
        return True
    # A list's first item may begin so too.
    return not found[1].isdigit() and _AFTER_REDIRECT.fullmatch(text, found.end()) is not None
