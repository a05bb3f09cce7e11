"""English."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS: Final[Mapping[str, str]] = {
    # -- reasons: what each means, and what to do ------------------------------------------------------------------------------------------
    "reason.": "settled without anything to remark",
    "reason.exists": "a document with this receipt's number stands in the books already",
    "reason.stock_correction": "a stock correction rung up in the till: no sale and no money; correct the stock in the books by hand",
    "reason.zero_total": "a receipt of 0.00, and the settings say that such receipts are not booked",
    "reason.filtered": "a filter of the configuration excludes this record",
    "reason.not_completed": "the receipt is not completed in the till yet",
    "reason.before_start": "the receipt is older than the start date of the configuration",
    "reason.not_tracked": "nobody counts this product's stock",
    "reason.no_quantity": "the source gave no number for this product's stock",
    "reason.own_echo": "the change is what we wrote ourselves",
    "reason.not_at_target": "the product does not exist on the other side",
    "reason.article_missing": "the books have no article with this SKU: create it there, or map the SKU, then resend",
    "reason.article_ambiguous": "several active articles of the books carry this SKU: leave one active, then resend",
    "reason.customer_ambiguous": "several customers of the books carry this e-mail address: merge them, then resend",
    "reason.default_debtor_missing": "the default debtor of the configuration does not exist in the books",
    "reason.payment_method_unknown": "no account is configured for this payment method: answer the question",
    "reason.money_account_missing": "the account configured for this payment method does not exist in the books",
    "reason.vat_rate_unknown": "no article is configured for this kind of line at this VAT rate: answer the question",
    "reason.vat_differs": "the till charged another VAT rate than the article has in the books: correct one of them, then resend",
    "reason.sum_differs": "the books would come to another total than the customer paid, by more than the rounding cap",
    "reason.payment_differs": "the payments of the receipt do not add up to its total",
    "reason.document_ambiguous": "several documents in the books carry this receipt's number",
    "reason.currency_differs": "the receipt is in another currency than the books",
    "reason.sku_missing": "the product has no article number",
    "reason.sku_ambiguous": "several products of the other side carry this SKU",
    "reason.rejected": "the vendor refuses this record; its code and text are shown",
    "reason.unreadable": "the vendor sent something that cannot be understood",
    "reason.undecidable": "the books do not tell whether a write happened: look there, then kassabrug settle RECORD --as happened|did-not",
    "reason.mass_change": "the run would change far more than usual: answer the question",
    "reason.mapping_failed": "an expression of the mapping cannot be applied to this record: correct it, then resend",
    "reason.corrected": "the receipt was changed in the till after it was booked: its document was credited and booked anew",
    "reason.credited": "the receipt was cancelled in the till after it was booked: its document was credited",
    "reason.withdrawn": "the receipt was cancelled in the till before anybody booked its draft: the draft was deleted",
    "reason.paid_later": "the receipt was paid after it was booked: so is its document",
    "reason.paid_by_hand": "the receipt was paid after it was booked, and somebody had registered that in the books already",
    "reason.kept": "a person decided that the document stays as it is",
    "reason.changed_after_booking": "what was booked is not what the till says now: answer the question, or correct the till, then resend",
    "reason.document_gone": "the receipt was changed in the till, and its document is not in the books any more: answer the question",
    "reason.period_locked": "the books have closed the day of this receipt: answer the question, or open the period",
    "reason.settled_by_terms": "the books took the document as paid though nobody paid it (cash terms of payment?): answer the question",
    "reason.dated_ahead": "the record is dated in the future: it goes on when its date has come, or correct the date and resend",
    "reason.unreachable": "the vendor is away; it goes on by itself when it is back",
    "reason.throttled": "the vendor's rate limit was met; waiting",
    "reason.unauthorized": "the connection must be signed in to again",
    "reason.transient": "the vendor failed; it is tried again by itself",
    "reason.answer_lost": "a write was sent and its answer never came; looking it up",
    "reason.attempts_exhausted": "the vendor fails this record while it takes others: cure what is special about it, then resend",
    "reason.internal": "a fault of this program; please report it",
    "reason.vanished": "the record does not exist at its source any more",
}
