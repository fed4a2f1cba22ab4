"""The languages that Whisper tells by name, with their codes."""

from __future__ import annotations

import re

_NAMES_AND_CODES = """
afrikaans:af albanian:sq amharic:am arabic:ar armenian:hy assamese:as azerbaijani:az bashkir:ba
basque:eu belarusian:be bengali:bn bosnian:bs breton:br bulgarian:bg burmese:my cantonese:yue
catalan:ca chinese:zh croatian:hr czech:cs danish:da dutch:nl english:en estonian:et faroese:fo
finnish:fi french:fr galician:gl georgian:ka german:de greek:el gujarati:gu haitian-creole:ht
hausa:ha hawaiian:haw hebrew:he hindi:hi hungarian:hu icelandic:is indonesian:id italian:it
japanese:ja javanese:jw kannada:kn kazakh:kk khmer:km korean:ko lao:lo latin:la latvian:lv
lingala:ln lithuanian:lt luxembourgish:lb macedonian:mk malagasy:mg malay:ms malayalam:ml
maltese:mt maori:mi marathi:mr mongolian:mn myanmar:my nepali:ne norwegian:no nynorsk:nn
occitan:oc pashto:ps persian:fa polish:pl portuguese:pt punjabi:pa romanian:ro russian:ru
sanskrit:sa serbian:sr shona:sn sindhi:sd sinhala:si slovak:sk slovenian:sl somali:so spanish:es
sundanese:su swahili:sw swedish:sv tagalog:tl tajik:tg tamil:ta tatar:tt telugu:te thai:th
tibetan:bo turkish:tr turkmen:tk ukrainian:uk urdu:ur uzbek:uz vietnamese:vi welsh:cy yiddish:yi
yoruba:yo
"""
_BY_NAME = dict(pair.split(":") for pair in _NAMES_AND_CODES.split())


def language_code(said: str) -> str:
    """ISO 639-1 (or 639-3 where there is none) of a code or an English name; empty: not known."""
    text = said.strip().lower()
    if re.fullmatch(r"[a-z]{2,3}", text) and text not in _BY_NAME:
        return text
    return _BY_NAME.get(text.replace(" ", "-"), "")
