"""Every way the registry says no: a published code, a sentence, what to do next.

The order is the precedence where several reasons stand together: who may ask, whether what he sent is well formed and
its day and rules allow it, then giver, receiver, quantity, cash, file, and what compares and complies last; within a
family the lower number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum


class Reason(Enum):
    """A published refusal. Codes are never reused; families, in their order: 9 security, 8 form, jobs and days,
    1 source account, 2 target account, 3 quantity and units, 4 cash, 5 feed and file, 6 reconciliation,
    7 allocation and compliance."""

    # fmt: off
    NOT_PERMITTED = ("9001", "The caller may not do this.", "Ask for the right, or let somebody who has it act.", 403)
    KEY_REUSED = ("9002", "The Idempotency-Key was used before with other content.",
                  "Send the first content again, or use a new key.", 422)
    KEY_TOMBSTONED = ("9003", "The request was declared not done and may no longer be carried out.",
                      "Send it again under a new Idempotency-Key.", 409)
    SAME_PERSON = ("9004", "The proposer may not approve the proposal.", "Let another person decide.", 403)
    TASK_UNKNOWN = ("9005", "There is no such task.", "Check the task id.", 404)
    TASK_DECIDED = ("9006", "The task was already decided.", "Read the task for its outcome.", 409)
    NOT_AUTHENTICATED = ("9007", "The caller did not show a valid token.", "Send a bearer token that is not over.", 401)
    TASK_EXPIRED = ("9008", "The proposal was not approved in time.", "Propose it again.", 409)
    SAME_REVIEWER = ("9009", "The first reviewer may not be the second.", "Let another person review it too.", 403)

    MALFORMED = ("8001", "The request is not well formed.", "Correct the named field and send it again.", 422)
    DAY_UNKNOWN = ("8002", "There is no such market day.", "Open the day first, or check the date.", 404)
    DAY_EXISTS = ("8003", "The market day is already open.", "Go on with the day as it is.", 409)
    DAY_NOT_READY = ("8004", "The market day is not in the state this needs.", "Wait for the state and try again.", 409)
    MARKET_CLOSED = ("8005", "The market is closed on that date.", "Choose a trading day of the calendar.", 422)
    CLOCK_BACKWARDS = ("8006", "The business clock never runs backwards.", "Choose a later time.", 422)
    NO_PRIMARY = ("8007", "No primary could answer in time; a write may or may not have been done.",
                  "Send it again under the same Idempotency-Key, or ask /v1/requests/{key}.", 503)
    TOO_BUSY = ("8008", "Too many writes are waiting; this one was not taken.",
                "Send it again a little later under the same Idempotency-Key.", 503)
    FAULT = ("8009", "The registry failed on this request; the fault is ours and is logged.",
             "Send it again under the same Idempotency-Key; tell the operators when it stays.", 500)
    KEY_MISSING = ("8010", "A write needs an Idempotency-Key of 1 to 200 visible ASCII characters.",
                   "Add the header, with a key of your own for each request.", 400)
    BODY_TOO_LARGE = ("8011", "The body is larger than the registry takes.", "Send it in several requests.", 413)
    NO_SUCH_ADDRESS = ("8012", "There is nothing at this address.", "Check it against /openapi.json.", 404)
    NO_SUCH_METHOD = ("8013", "This address does not take that method.", "Check it against /openapi.json.", 405)
    READ_TOO_LONG = ("8014", "The answer would take longer than the registry gives one read.",
                     "Ask for a smaller page, or later.", 503)
    PARAMETER_KIND = ("8021", "There is no such kind of parameter.", "Read /v1/parameters for its kinds.", 422)
    PARAMETER_NAME = ("8022", "The name does not fit the kind of parameter.", "Give a name as the detail says.", 422)
    PARAMETER_VALUE = ("8023", "The value does not fit the kind of parameter.", "Give a value as the detail says.", 422)
    PARAMETER_TWICE = ("8024", "One proposal changes the same parameter twice for the same day.",
                       "Leave one of the changes out.", 422)
    PARAMETER_LATE = ("8025", "The day is past, or its rules are fixed because its opening data are sent.",
                      "Choose a later day.", 422)
    PARAMETER_MOVED = ("8026", "Another change of the parameter was decided since the proposal.",
                       "Propose again, on what is in force by then.", 409)
    PARAMETER_SAME = ("8027", "The parameter has this value on that day already.", "Leave the change out.", 409)
    PARAMETER_CONFLICT = ("8028", "The change does not fit the other rules of its day.",
                          "Change what belongs together in one proposal.", 422)
    CHANGED_MEANWHILE = ("8030", "What If-Match names is no longer as it was.", "Read it again, then decide.", 412)

    SOURCE_UNKNOWN = ("1001", "The giving account does not exist.", "Check the account number.", 404)
    SOURCE_NOT_OPEN = ("1002", "The giving account is not open.", "Wait until it is open.", 422)
    SOURCE_WITH_EXCHANGE = ("1003", "What the account holds is with the exchange until the day is delivered.",
                            "Try again after delivery.", 409)
    TRANSFER_CLOSED = ("1004", "Free transfer between owners does not exist in this market.",
                       "Trade on the exchange.", 422)
    ENCUMBRANCE_UNKNOWN = ("1020", "There is no such encumbrance.", "Check its number, as ENC-00000001.", 404)
    ENCUMBRANCE_KIND = ("1021", "This kind of encumbrance does not end that way.",
                        "A pledge is realised, a freeze is deducted from.", 422)
    ENCUMBRANCE_NOT_IN_FORCE = ("1022", "The encumbrance is not in force.", "Read it for its state.", 409)
    DOCUMENT_USED = ("1023", "This document encumbers the same asset of the account already.",
                     "Read the account's encumbrances.", 409)
    SOURCE_RESTRICTED = ("1030", "The giving account is restricted.", "Ask why; its history says who and when.", 422)
    SOURCE_BLOCKED = ("1031", "The giving account is blocked until its two accountings agree.",
                      "Wait until two people have cleared the difference.", 409)
    OVER_OWN_LIMIT = ("1040", "The amount is over the limit that the giving account has set for a single move.",
                      "Lower the amount, or have two people change the limit.", 422)

    TARGET_UNKNOWN = ("2001", "The receiving account does not exist.", "Check the account number.", 404)
    TARGET_NOT_OPEN = ("2002", "The receiving account is not open.", "Wait until it is open.", 422)
    TARGET_IS_SOURCE = ("2003", "Giver and receiver are the same account.", "Name two different accounts.", 422)
    NUMBER_INVALID = ("2004", "The account number is wrong.", "Check the digits of the number.", 422)
    SUBJECT_HAS_ACCOUNT = ("2005", "The subject already has an account.", "Use the account it has.", 409)
    ACCOUNT_UNKNOWN = ("2006", "There is no such account.", "Check the account number.", 404)
    MOVE_NOT_AHEAD = ("2007", "A firm changes hands on a day that is still to come.", "Choose a later day.", 422)
    MOVE_PENDING = ("2008", "The firm changes hands on a later day already.", "Wait until that day.", 409)
    MOVE_TO_SAME = ("2009", "The province answers for the firm already.", "Name another province.", 422)
    ACCOUNT_KIND = ("2010", "An account of this kind takes no part in this.", "Name an account of another kind.", 422)
    CREDITOR_OTHER = ("2020", "A pledge goes to the creditor that was registered.",
                      "Name the creditor's account, or the instruction to sell.", 422)
    SUCCESSOR_KIND = ("2021", "The account cannot come after the other one.",
                      "Persons inherit from persons; firms merge and split.", 422)
    TARGET_RESTRICTED = ("2030", "The receiving account is restricted.", "Ask why; its history says who and when.", 422)
    TARGET_BLOCKED = ("2031", "The receiving account is blocked until its two accountings agree.",
                      "Wait until two people have cleared the difference.", 409)
    STATE_CHANGE_FORBIDDEN = ("2032", "The account's state does not allow this.", "Read its state and history.", 409)
    STATE_CHANGE_PENDING = ("2033", "A change of the account's state waits for the exchange to be told.",
                            "Wait until it is in force.", 409)
    ACCOUNT_NOT_EMPTY = ("2034", "The account still holds something, or the exchange still has it.",
                         "Clear units, cash and holds first.", 409)
    DOCUMENTS_NOT_REVIEWED = ("2035", "The documents of the application were not reviewed.",
                              "Let somebody confirm their list first.", 409)
    DOCUMENTS_DIFFER = ("2036", "What was confirmed is not the list that was handed in.",
                        "Hold every document against the list.", 422)
    DOCUMENTS_REVIEWED = ("2037", "The documents were reviewed before.", "Go on with the approval.", 409)
    OPERATOR_KNOWN = ("2038", "The login has this right for the account.", "Name another login or right.", 409)
    OPERATOR_UNKNOWN = ("2039", "The login does not have this right for the account.", "Read the list.", 404)
    ACCOUNT_BUSY = ("2040", "The account has open tasks.", "Have them decided or withdrawn first.", 409)
    TARGET_NOT_TRUSTED = ("2050", "The giving account allows moves to the accounts of its list only.",
                          "Have two people add the receiving account to the list.", 422)
    TRUSTED_ALREADY = ("2051", "The account is on the list already.", "Read the list for when it counts.", 409)
    NOT_TRUSTED = ("2052", "The account is not on the list.", "Read the list.", 404)

    QUANTITY_INVALID = ("3001", "The quantity is not a positive whole number in range.",
                        "Give whole tonnes or whole fen.", 422)
    PRODUCT_UNKNOWN = ("3002", "The product is unknown.", "Name a product that was issued, as CEA-<vintage>.", 422)
    INSUFFICIENT_UNITS = ("3003", "The account holds fewer units than requested.", "Lower the quantity.", 422)
    SERIAL_UNKNOWN = ("3006", "There is no such serial number.", "Check it, as CEA-<vintage>-<12 digits>.", 404)
    ENCUMBRANCE_EXCEEDED = ("3020", "The encumbrance is for less than that.", "Lower the quantity.", 422)
    NOT_DIVIDED = ("3021", "What is divided is not what the account holds.",
                   "Name a taker for every amount and every encumbrance.", 422)
    NOTICE_UNKNOWN = ("3022", "There is no such public notice.", "Check its number.", 404)
    CERTIFICATE_UNKNOWN = ("3023", "There is no such certificate.", "Check its number, as VC-00000001.", 404)
    SUCCESSION_UNKNOWN = ("3024", "There is no such succession.", "Check its number, as SUC-00000001.", 404)
    TRANSFER_UNKNOWN = ("3025", "There is no such transfer.", "Check the id of the transfer.", 404)
    NOT_REVERSIBLE = ("3026", "A reversal, or what belongs to a hold, is not reversed.",
                      "Book a new transfer, or void the hold.", 422)
    TRANSFER_REVERSED = ("3027", "The transfer was already reversed.", "Read the statement for its reversal.", 409)
    HOLD_UNKNOWN = ("3028", "There is no such hold.", "Check the id of the hold.", 404)
    HOLD_TAKEN = ("3029", "A hold of this id has other content.", "Name the hold anew, or repeat what it says.", 409)
    HOLD_RESOLVED = ("3030", "The hold was already posted, voided or has expired.", "Read how it ended.", 409)
    CAP_BELOW_ISSUED = ("3031", "More than this was issued of the vintage already.",
                        "Choose a cap that covers what was issued.", 422)
    HOLD_EXPIRED = ("3032", "The time of the hold is over.", "Set the amount aside anew.", 409)

    INSUFFICIENT_CASH = ("4001", "The account holds less cash than requested.", "Lower the amount or deposit.", 422)
    BANK_UNKNOWN = ("4002", "The settlement bank is unknown.", "Name a registered settlement bank.", 422)

    TRADE_INVALID = ("5001", "A field of the trade is missing or not a whole number.", "Correct and send anew.", 422)
    TRADE_DAY = ("5002", "The trade belongs to another day or to one that is not trading.", "Check the date.", 422)
    TRADE_BUYER = ("5003", "The buyer's account is unknown or not open.", "Check the account.", 422)
    TRADE_SELLER = ("5004", "The seller's account is unknown or not open.", "Check the account.", 422)
    TRADE_SELF = ("5005", "Buyer and seller are the same account.", "Check both sides.", 422)
    TRADE_PRODUCT = ("5006", "The product is not traded on this day.", "Check the product.", 422)
    TRADE_AMOUNT = ("5007", "The amount is not quantity times price.", "Check the amount.", 422)
    TRADE_LIMIT = ("5008", "The price is outside the day's rounded limits.", "Check the price.", 422)
    TRADE_SIZE = ("5009", "The quantity does not fit the mode of trade.",
                  "Read the sizes of each mode in /v1/market-rules/{day}.", 422)
    TRADE_ID_SEEN = ("5010", "The trade id was received before under another number.", "Check the trade id.", 422)
    TRADE_AFTER_END = ("5011", "The trade came after the end marker.", "Send it by the correction procedure.", 422)
    TRADE_REFERENCE = ("5012", "The trade to cancel or correct is unknown.", "Check the reference.", 422)
    TRADE_HOURS = ("5013", "The trade was made outside trading hours.", "Check the time of the trade.", 422)
    TRADE_TICK = ("5014", "The price is not a multiple of the tick.", "Check the price.", 422)
    FILE_NOT_UTF8 = ("5030", "The file is not UTF-8.", "Save it as UTF-8, or say its encoding.", 422)
    FILE_HEADER = ("5031", "The first line does not name the columns.", "Name every column once, as documented.", 422)
    FILE_BROKEN = ("5032", "The line is no CSV of the columns named.", "Check quotes and separators.", 422)
    FILE_TOO_LARGE = ("5033", "The file has more lines or bytes than one file may have.", "Split it.", 422)
    FILE_EMPTY = ("5034", "The file has no line of data.", "Add at least one line below the header.", 422)
    FILE_LINE_TWICE = ("5035", "The same line stands in the file before.", "Leave one of them out.", 422)

    BREAK_UNKNOWN = ("6002", "There is no such break.", "Check its number.", 404)
    BREAK_STATE = ("6003", "The break is not in the state this needs.", "Read the break for its state.", 409)
    BREAK_STILL_DIFFERS = ("6004", "Ledger and units still disagree there.",
                           "Close it with a correcting entry, or after the records are restored.", 409)
    CORRECTION_IMPOSSIBLE = ("6005", "That correction does not make both accountings agree.",
                             "Name the side that lacks the entry, and the other account of it.", 422)

    PLAN_EMPTY = ("7001", "The plan has no lines.", "Add at least one line.", 422)
    PLAN_LINE_TWICE = ("7002", "An account stands twice in the plan.", "Merge the lines.", 422)
    PLAN_EXECUTED = ("7003", "A plan of this name was carried out before.", "Give the new plan a name of its own.", 409)
    CAP_EXCEEDED = ("7004", "The plan goes beyond the cap of the product.",
                    "Lower the plan, or have the cap changed.", 422)
    PLAN_UNKNOWN = ("7005", "There is no such plan.", "Check the plan's number.", 404)
    PLAN_NOT_EXECUTED = ("7006", "The plan that this one follows was not carried out.",
                         "Name a plan that was carried out, of the same product.", 422)
    LINE_OF_ELSEWHERE = ("7007", "The account is not one of the plan's province.",
                         "Leave the line to the province that answers for the account.", 422)
    LINE_NOT_WITHHELD = ("7008", "Nothing is withheld for the account under this plan.",
                         "Read the plan's lines for what is withheld.", 409)
    YEAR_NOT_OVER = ("7101", "The year is not over, so nothing of it can be verified yet.", "Check the year.", 422)
    EMISSIONS_TWICE = ("7102", "An account stands twice in the upload.", "Leave one of the lines out.", 422)
    CORRECTION_WITHOUT_REASON = ("7103", "Verified emissions are corrected only with a reason.",
                                 "Say in the line why the figure changes.", 422)
    EMISSIONS_UNCHANGED = ("7104", "These are the verified emissions already.", "Leave the line out.", 422)
    OBLIGATION_PENALISED = ("7105", "The obligation of that year ended with a penalty.",
                            "Ask the authority; what is missing comes off the next allocation.", 409)
    OBLIGATION_UNKNOWN = ("7106", "No obligation is known for the account and year.",
                          "Wait until the year's emissions are verified.", 409)
    VINTAGE_NOT_USABLE = ("7107", "Units of that vintage do not count for that year.",
                          "Use a vintage that the year's rules name.", 422)
    MORE_THAN_DUE = ("7108", "That is more than is still due.", "Lower the quantity.", 422)
    SURRENDER_UNKNOWN = ("7109", "There is no such surrender.", "Check its id.", 404)
    SURRENDER_NOT_DONE = ("7110", "Only a surrender that was carried out can be reversed, and only once.",
                          "Read its state.", 409)
    REVERSAL_TOO_LATE = ("7111", "The time in which a surrender can be reversed is over.", "It stays final.", 422)
    NOT_SHORT = ("7112", "Only an obligation that was short at its deadline is penalised.", "Read its state.", 409)
    LOT_UNKNOWN = ("7201", "There is no such lot of offset units.", "Check its id.", 404)
    LOT_TWICE = ("7202", "A lot stands twice in the application.", "Leave one out.", 422)
    LOT_TAKEN = ("7203", "Some of these offset units are in use already, or were used.", "Name other units.", 409)
    LOT_NOT_READY = ("7204", "The lot is not in the state this needs.", "Read its state.", 409)
    LOT_EXPIRED = ("7205", "The time for which the lot is frozen is over.", "Have it frozen anew.", 409)
    OFFSET_OVER_LIMIT = ("7206", "That is more than may be offset in that year.", "Leave a lot out.", 422)
    CARRY_OVER_UNRULED = ("7301", "No rule carries units of that vintage over.", "Name another vintage.", 422)
    CARRY_OVER_TOO_LATE = ("7302", "The time to apply for carrying these units over has passed.",
                           "Use them in their own vintage.", 422)
    CARRY_OVER_OVER_LIMIT = ("7303", "That is more than the account may carry over.", "Lower the quantity.", 422)
    VINTAGE_RULED_TWICE = ("7304", "Another rule set carries one of these vintages over already.",
                           "Change that rule set, or leave the vintage out.", 409)
    # fmt: on

    def __init__(self, code: str, sentence: str, next_step: str, http_status: int) -> None:
        self.code = code
        self.sentence = sentence
        self.next_step = next_step
        self.http_status = http_status


@dataclass(frozen=True, slots=True)
class LineError:
    """What is wrong with one line of a request that has many; lines count from 1."""

    line: int
    reason: Reason
    detail: str = ""
    column: str = ""
    """The column of a file, where one is to blame."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that says no, with the fact that decided it."""

    reason: Reason
    detail: str = ""
    errors: tuple[LineError, ...] = ()
    """Every wrong line, where the request has lines."""

    @classmethod
    def of_lines(cls, errors: Iterable[LineError]) -> Refused:
        """Refuse for all these lines; the reason that comes first in precedence speaks for them."""
        found = tuple(errors)
        order = list(Reason)
        first = min(found, key=lambda error: order.index(error.reason))
        return cls(first.reason, f"{len(found)} wrong; line {first.line}: {first.detail}", found)

    def __str__(self) -> str:
        return f"{self.reason.code}: {self.reason.sentence}{' ' + self.detail if self.detail else ''}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command did, in the words of the API: its status, a body that is JSON, headers such as Location."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """A read's answer that is a file to keep, not a document to go on with."""

    content: bytes
    media_type: str
    name: str


class RefusedError(Exception):
    """Carries a refusal out of nested work before anything was written; the edge turns it back into an answer."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused))
        self.refused = refused
