"""Dutch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS: Final[Mapping[str, str]] = {
    # -- reasons: what each means, and what to do ------------------------------------------------------------------------------------------
    "reason.": "afgehandeld, zonder bijzonderheden",
    "reason.exists": "er staat al een document met het nummer van deze bon in de boekhouding",
    "reason.stock_correction": "een voorraadcorrectie op de kassa: geen verkoop en geen geld; pas de voorraad in de boekhouding met de hand aan",
    "reason.zero_total": "een bon van 0.00, en volgens de instellingen worden zulke bonnen niet geboekt",
    "reason.filtered": "een filter in de configuratie laat dit record buiten beschouwing",
    "reason.not_completed": "de bon is op de kassa nog niet afgerond",
    "reason.before_start": "de bon is ouder dan de begindatum in de configuratie",
    "reason.not_tracked": "van dit product wordt geen voorraad bijgehouden",
    "reason.no_quantity": "de bron geeft geen voorraadaantal voor dit product",
    "reason.own_echo": "de wijziging is wat we zelf hebben geschreven",
    "reason.not_at_target": "het product bestaat aan de andere kant niet",
    "reason.article_missing": "de boekhouding heeft geen artikel met dit artikelnummer: maak het daar aan of wijs een ander aan, en stuur opnieuw (resend)",
    "reason.article_ambiguous": "meer actieve artikelen in de boekhouding hebben dit nummer: laat er één actief, en stuur opnieuw (resend)",
    "reason.customer_ambiguous": "meer klanten in de boekhouding hebben dit e-mailadres: voeg ze samen, en stuur opnieuw (resend)",
    "reason.default_debtor_missing": "de standaarddebiteur uit de configuratie bestaat niet in de boekhouding",
    "reason.payment_method_unknown": "voor deze betaalwijze is geen rekening ingesteld: beantwoord de vraag",
    "reason.money_account_missing": "de rekening die voor deze betaalwijze is ingesteld, bestaat niet in de boekhouding",
    "reason.vat_rate_unknown": "voor dit soort regel met dit btw-tarief is geen artikel ingesteld: beantwoord de vraag",
    "reason.vat_differs": "de kassa rekende een ander btw-tarief dan het artikel in de boekhouding heeft: verbeter één van beide, en stuur opnieuw (resend)",
    "reason.sum_differs": "de boekhouding zou op een ander totaal komen dan de klant betaalde, met meer verschil dan mag worden afgerond",
    "reason.payment_differs": "de betalingen van de bon tellen niet op tot het totaal",
    "reason.document_ambiguous": "meer documenten in de boekhouding hebben het nummer van deze bon",
    "reason.currency_differs": "de bon is in een andere valuta dan de boekhouding",
    "reason.sku_missing": "het product heeft geen artikelnummer",
    "reason.sku_ambiguous": "meer producten aan de andere kant hebben dit artikelnummer",
    "reason.rejected": "de leverancier weigert dit record; zijn code en tekst staan erbij",
    "reason.unreadable": "de leverancier stuurde iets dat niet te begrijpen is",
    "reason.undecidable": "de boekhouding laat niet zien of iets is geschreven: kijk daar, en dan kassabrug settle RECORD --as happened|did-not",
    "reason.mass_change": "deze ronde zou veel meer wijzigen dan gewoonlijk: beantwoord de vraag",
    "reason.mapping_failed": "een uitdrukking in de mapping past niet op dit record: verbeter haar, en stuur opnieuw (resend)",
    "reason.corrected": "de bon is na het boeken op de kassa gewijzigd: het document is gecrediteerd en opnieuw geboekt",
    "reason.credited": "de bon is na het boeken op de kassa geannuleerd: het document is gecrediteerd",
    "reason.withdrawn": "de bon is op de kassa geannuleerd voordat iemand het concept boekte: het concept is verwijderd",
    "reason.paid_later": "de bon is na het boeken betaald: het document nu ook",
    "reason.paid_by_hand": "de bon is na het boeken betaald, en iemand had dat al in de boekhouding gezet",
    "reason.kept": "iemand heeft besloten dat het document blijft zoals het is",
    "reason.changed_after_booking": "geboekt is iets anders dan de kassa nu zegt: beantwoord de vraag, of verbeter de kassa en stuur opnieuw (resend)",
    "reason.document_gone": "de bon is op de kassa gewijzigd, en zijn document staat niet meer in de boekhouding: beantwoord de vraag",
    "reason.period_locked": "de boekhouding heeft de dag van deze bon afgesloten: beantwoord de vraag, of open de periode",
    "reason.settled_by_terms": "de boekhouding ziet het document als betaald, al betaalde niemand (contante betalingsvoorwaarde?): beantwoord de vraag",
    "reason.dated_ahead": "de datum ligt in de toekomst: het gaat verder als die dag er is, of verbeter de datum en stuur opnieuw (resend)",
    "reason.unreachable": "de leverancier is niet bereikbaar; het gaat vanzelf verder als hij terug is",
    "reason.throttled": "de leverancier vraagt om het rustiger aan te doen; er wordt gewacht",
    "reason.unauthorized": "bij de verbinding moet opnieuw worden ingelogd",
    "reason.transient": "bij de leverancier ging iets mis; het wordt vanzelf opnieuw geprobeerd",
    "reason.answer_lost": "iets is verstuurd en het antwoord kwam nooit; er wordt opgezocht of het is gebeurd",
    "reason.attempts_exhausted": "de leverancier neemt dit record niet aan en andere wel: verhelp wat er bijzonder aan is, en stuur opnieuw (resend)",
    "reason.internal": "een fout in dit programma; meld die alstublieft",
    "reason.vanished": "het record bestaat bij zijn bron niet meer",
}
