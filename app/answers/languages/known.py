"""The languages in which questions over documents are recognised: for another, a module and a line here."""

from __future__ import annotations

from app.answers.languages.english import ENGLISH
from app.answers.languages.french import FRENCH
from app.answers.languages.german import GERMAN
from app.answers.languages.japanese import JAPANESE
from app.answers.languages.spanish import SPANISH

LANGUAGES = (ENGLISH, GERMAN, FRENCH, SPANISH, JAPANESE)
"""In the order in which they are tried."""
