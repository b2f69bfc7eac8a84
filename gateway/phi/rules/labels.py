"""The words that say what the number beside them is: `Medical Record No.`, `acct #`, `s/n`."""

import re
from dataclasses import dataclass

from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import phrase_set, word_set

_LABELS: dict[Entity, str] = {
    Entity.US_SSN: (
        "ssn, ssns, ss, social, social security, soc sec, sss, socsec, soc, itin, social sec, social insurance, sin"
    ),
    Entity.US_DRIVER_LICENSE: (
        "driver license, drivers license, driver's license, driver licence, drivers licence, driver's licence, "
        "driving licence, driving license, dl, d/l, dln, driver lic, drivers lic, driver's lic, operator license, "
        "operator's license, state id, cdl, dlno"
    ),
    Entity.VEHICLE_ID: (
        "license plate, licence plate, lic plate, plate, plates, vin, vehicle, tag, license tag, registration plate, "
        "number plate, vehicle registration, tag number, hull, car, truck, pickup, sedan, "
        "suv, van, motorcycle, veh, ford, chevy, toyota, honda, nissan, jeep, subaru, hyundai, kia"
    ),
    Entity.MEDICAL_RECORD_NUMBER: (
        "mrn, mrns, mr, m/r, mrno, medical record, medical records, med rec, medrec, med record, chart, patient, pt, "
        "hospital, unit, record, emr, ehr, patient account, hospital record, health record, mpi, empi, pid, "
        "mrnumber, medical rec, unit record, history, clinic, hosp, patient id, epic, chart id, enterprise, umrn, "
        "ur, nhs, chi, hrn"
    ),
    Entity.HEALTH_PLAN_ID: (
        "member, membership, subscriber, policy, group, grp, insurance, medicare, medicaid, plan, beneficiary, mbi, "
        "hicn, payer, insured, coverage, benefit, benefits, health plan, policyholder, mcn, rxbin, bin, pcn, rxgrp, "
        "rx group, rx bin, rx pcn, hic, contract, certificate, cert holder, enrollee, tricare, ins, cardholder, "
        "health card, ohip, insurer, molina, unitedhealthcare, wellcare, centene, ambetter, oscar, blue cross, blue "
        "shield, highmark, amerigroup, aetna, cigna, humana, bcbs, uhc, anthem, kaiser, medi-cal, edipi, sponsor, "
        "dod, mco, hmo, ppo, cin, mbr, mbrid, mem"
    ),
    Entity.ACCOUNT_NUMBER: (
        "account, acct, accts, accnt, a/c, invoice, inv, claim, billing, guarantor, card, iban, routing, aba, bank, "
        "authorization, auth, preauth, pre-auth, precert, pre-certification, precertification, confirmation, "
        "reference, ref, transaction, trans, txn, statement, payment, check, cheque, bill, financial, fin, har, "
        "prior auth, prior authorization, visa, mastercard, amex, discover, credit card, debit card, debit, credit, "
        "savings, checking, approval, dcn, icn, tcn, eob, era, remit, remittance, eft, conf, acct/har, cc, hsa, fsa, "
        "loan, swift, policy/claim"
    ),
    Entity.BIOMETRIC_ID: (
        "fingerprint, fingerprints, biometric, biometrics, retina, retinal, iris, iris scan, voiceprint, faceprint, "
        "palmprint, palm print, voice print, retina scan, retinal scan, template, palm, palm vein, face template, "
        "fingerprint template, biometric template, face id, finger print, facial recognition, dna profile, gait, "
        "fingerprint hash, voice template, iris code, minutiae, afis, thumbprint, finger, voice, face, facial"
    ),
    Entity.DEVICE_ID: (
        "serial, s/n, sn, ser, lot, batch, device, imei, meid, udi, pacemaker, implant, model, pump, catheter, "
        "monitor, sensor, transmitter, icd device, lead, generator, stimulator, gtin, di, udi-di, iccid, android, "
        "udid, receiver, reader, cgm, dexcom, libre, insulin pump, ventilator, cpap, concentrator, stent, lens, iol, "
        "cochlear, hearing aid, prosthesis, mac, hardware, asset, wheelchair, scanner, defibrillator, aicd, icm, "
        "loop recorder, part, catalog, catalogue, cat, equipment, unit serial, tablet serial, controller, vaccine, "
        "mmr, mmr2, mmrv, tdap, dtap, varicella, prevnar, pneumovax, shingrix, gardasil, flu shot, fluzone, hep a, "
        "hep b, cement"
    ),
    Entity.MEDICAL_LICENSE: (
        "npi, npis, dea, license, licence, lic, license/dea, certification, cert, registration, credential, "
        "rn license, medical license, state license, board, upin, lpn license, ptan, caqh, taxonomy, nursing license, "
        "md license, pharmacist license, licensure, reg"
    ),
    Entity.OTHER_ID: (
        "accession, acc, accn, acc/order, specimen, sample, encounter, enc, visit, csn, order, case, study, "
        "participant, subject, rx, prescription, script, report, protocol, badge, employee, emp, staff, student, "
        "ticket, tracking, passport, tax, ein, tin, isolate, enrollment, volunteer, randomization, donor, locator, "
        "docket, incident, file, police, court, permit, receipt, referral, session, user, userid, id, ids, "
        "identifier, identification, kit, band, image, film, block, slide, wristband, screening, screening id, "
        "requisition, req, container, barcode, appointment, appt, booking, fill, refill, dispense, warrant, inmate, "
        "booking id, prisoner, military, service, veteran, va, alien, a-number, uscis, visa number, green card, "
        "immigration, naturalization, national id, citizen, medical alert, bag, unit no, blood unit, donation, din, "
        "transfusion, biopsy, path, pathology, surgical, cytology, episode, admission, adm, stay, res, research, "
        "trial id, crf, trial, site, cohort, record id, tube, vial, work order, complaint, grievance, appeal, rma, "
        "shipment, package, ups, fedex, usps, login, username, pin, passcode, mpid, guid, enrolment, personnel, "
        "payroll, locker, parking, permit number, library, loyalty, rewards, frequent flyer, known traveler, ktn, "
        "unos, cane, canister, cryo, straw, trace, correlation, redress, membership card, "
        "access code, access, call, cad, pcr, ems, eid, sid, uid, oid, aid, hid, pat id, "
        "person, person id, client, customer, resident, family, household, respondent, survey, examinee, candidate, "
        "aadhaar, aadhar, curp, nino, dni, nie, cpf, nmdp, registry, nric, pesel, bsn, tfn, snap, snapchat, handle, "
        "skype, venmo, screen name, telegram, gamertag"
    ),
    Entity.PHONE_NUMBER: (
        "phone, tel, cell, mobile, ph, fax, pager, beeper, ext, extension, extn, voicemail, pgr, bpr, vocera, "
        "spectralink, speed dial"
    ),
    Entity.US_ZIP: "zip, zipcode, zip code, postal, postal code, postcode, zip+, zip/postal",
}
"""What stands beside an identifier, one to three words. The first listed kind wins."""

_KIND_OF_LABEL = {label: entity for entity, labels in reversed(_LABELS.items()) for label in phrase_set(labels)}
_WEAK = phrase_set(
    "patient, pt, hospital, unit, record, trial, molina, unitedhealthcare, wellcare, centene, ambetter, oscar, blue "
    "cross, blue shield, highmark, amerigroup, group, plan, policy, order, case, study, visit, report, model, check, "
    "card, file, block, reference, image, film, kit, user, session, sample, court, bank, tag, benefit, benefits, "
    "catheter, pump, monitor, sensor, implant, device, slide, statement, payment, tax, license, history, clinic, "
    "enterprise, insurance, coverage, contract, discover, credit, debit, bill, billing, financial, savings, "
    "checking, approval, template, palm, finger, voice, face, facial, gait, lead, generator, lens, part, cat, "
    "reader, receiver, stent, cochlear, hardware, asset, equipment, controller, ventilator, cpap, board, staff, "
    "student, participant, subject, police, permit, receipt, service, va, call, access, pid, person, client, "
    "customer, resident, family, household, survey, candidate, site, stay, res, research, message, call, library, "
    "bag, tube, vial, package, login, screening, container, parking, military, veteran, chart, claim, inv, ins, bin, "
    "lot, batch, protocol, prescription, script, member, hmo, ppo, sin, dod, ur, hospital, path, pathology, "
    "surgical, biopsy, cc, acc, fin, mr, admission, adm, episode, fill, refill, appointment, appt, trans, loan, "
    "employee, emp, donor, isolate, inmate, sponsor, medicare, medicaid, scanner, tablet serial, wheelchair, din, "
    "tag number, hull, vehicle, id, ids, icn, era, account, accession, reg, registration, certification, cert, "
    "certificate, credential, epic, incident, volunteer, enrollment, specimen, ticket, encounter, referral, barcode, "
    "subscriber, serial, conf, confirmation, car, truck, pickup, sedan, suv, van, motorcycle, veh, ford, chevy, "
    "toyota, honda, nissan, jeep, subaru, hyundai, kia, vaccine, mmr, mmr2, "
    "mmrv, tdap, dtap, varicella, prevnar, pneumovax, shingrix, gardasil, flu shot, fluzone, hep a, hep b, cement, "
    "cane, canister, cryo, straw, trace, correlation, mem"
) - phrase_set(
    "account, accession, specimen, claim, member, encounter, ticket, subscriber, serial, chart, lot, referral, "
    "confirmation"
)
"""Labels that a number follows in other senses too: only a long or an announced one is their value."""

_LAST_WORDS = frozenset(re.split(r"[^a-z']", label)[-1] for label in _KIND_OF_LABEL)
_SAYS_NUMBER = word_set("number numbers no num nbr id ids code identifier nos nr numb nmbr hash")
_FILLERS = word_set(
    "is was are be ending ends in of with the a on file as listed issued currently now reads shows starting starts "
    "begins last four digits digit new old current previous assigned under ended to from his her my our their final "
    "first"
)
_ENDS = word_set("ending ends last ended starting starts begins")
_NOT_LABELS = word_set(
    "error line port room rm page row chapter step version build issue pr pull bug figure table question section "
    "commit rfc icd cpt hcpcs drg ndc loinc snomed rxcui rxnorm doi pmid pmcid isbn issn http cve atc cas omim hgnc "
    "chapter level phase grade bed floor suite apt unit dose week day hour http status exit nct clinicaltrials "
    "chromosome atomic catalog gauge french size sequence revision release mesh umls cvx hpo opcs statute title "
    "regulation cfr usc article part form"
)
_PER = word_set("dl mr hr sn")
_GAP = " :=#\"'>([,-*|_{/\\\n\r\t?&"
_EXPLICIT = frozenset(":=#>{?")
_WIDEST_GAP = 14
_ABBREVIATED = word_set(
    "no num acct lic med rec ref pt nbr nr mr id ser reg cert mem ins pol grp auth inv acc spec ext rx s n a m p "
    "conf cat"
)
_COPULAS = frozenset(["is", "was", "are", "be"])
_LAST_FOUR = re.compile(r"\s{0,2}(?:4|four)\b(?!\s?(?:days|weeks|months|years|visits|doses|readings))")
_MOST_BEHIND = 10
_MAX_STEPS = 7


@dataclass(frozen=True, slots=True)
class Label:
    """`announced`: by a colon, a number sign or the word; `weak`: the word has other uses too."""

    name: str
    entity: Entity
    announced: bool
    weak: bool


_LAST_DIGITS = Label("last four", Entity.US_SSN, announced=True, weak=False)


def label_before(document: Document, start: int, index: int) -> Label | None:
    """The label that the value at `start` belongs to; `index` is the last word before the value."""
    words, text = document.words, document.flat
    announced = numbered = last_digits = False
    end = start
    for _ in range(_MAX_STEPS):
        if index < 0:
            break
        word = words[index]
        gap = text[word.end : end]
        if gap[:2] in {"'s", "'S"}:
            gap = gap[2:]
        if word.lower == "last" and (four := _LAST_FOUR.match(document.lower, word.end)):
            gap = text[four.end() : end] if word.end < four.end() <= end else gap.replace("4", "", 1)
        if len(gap) > _WIDEST_GAP or (gap.strip(_GAP) and not _bridged(word.lower, gap)):
            break
        announced = announced or not _EXPLICIT.isdisjoint(gap)
        if word.lower in _SAYS_NUMBER:
            numbered = True
        elif word.lower in _FILLERS:
            announced = announced or word.lower in _ENDS
            last_digits = last_digits or (
                word.lower == "last" and _LAST_FOUR.match(document.lower, word.end) is not None
            )
        else:
            label = _label(document, index, announced=announced or numbered, numbered=numbered)
            return label or (_LAST_DIGITS if last_digits else None)
        end = word.start
        index -= 1
    if last_digits:
        return _LAST_DIGITS
    return Label("id", Entity.OTHER_ID, announced=announced, weak=True) if numbered else None


def _bridged(word: str, gap: str) -> bool:
    """A dot between label and value belongs to `no.`; `12345 ) MRN` and the like stay apart."""
    rest = gap.strip(_GAP)
    return (rest == "." and (word in _ABBREVIATED or (gap[:1] == "." and gap.strip() != "."))) or rest in {
        ")",
        "]",
        "].",
        ")."[:1],
    }


def _label(document: Document, index: int, *, announced: bool, numbered: bool) -> Label | None:
    words = document.words
    start = words[index].start
    if start and document.flat[start - 1] == "/" and words[index].lower in _PER:
        return None
    if words[index].lower in _NOT_LABELS and words[index].lower not in {"unit", "catalog"}:
        return None
    last = words[index].lower
    if last not in _LAST_WORDS and last.removesuffix("s") not in _LAST_WORDS and "-" not in last:
        return Label("id", Entity.OTHER_ID, announced=announced, weak=True) if numbered else None
    for count in (3, 2, 1):
        if count > index + 1:
            continue
        phrase = document.lower[words[index - count + 1].start : words[index].end]
        if count > 1:
            phrase = phrase.replace("_", " ").replace(".", "").replace("-", " ")
        if (found := _named(phrase)) is not None:
            return Label(found[0], found[1], announced=announced, weak=found[0] in _WEAK)
    return Label("id", Entity.OTHER_ID, announced=announced, weak=True) if numbered else None


def _named(phrase: str) -> tuple[str, Entity] | None:
    for name in (phrase, phrase.removesuffix("s")):
        if (entity := _KIND_OF_LABEL.get(name)) is not None:
            return name, entity
    return None


def label_named(phrase: str) -> Entity | None:
    """What a phrase asks for; `the number` and the like ask for nothing that it names."""
    return None if phrase in _SAYS_NUMBER else _KIND_OF_LABEL.get(phrase)


def entity_of_label(name: str) -> Entity | None:
    """What a word that labels nothing else says; None for words with other uses."""
    return None if name in _WEAK else _KIND_OF_LABEL.get(name)


def label_behind(document: Document, start: int, index: int) -> Entity | None:
    """The label further back in a sentence that ends in `is 4471882`: `her record number at our clinic is`."""
    words, text = document.words, document.flat
    if index < 0 or words[index].lower not in _COPULAS or text[words[index].end : start].strip(_GAP):
        return None
    for near in range(index - 1, max(-1, index - _MOST_BEHIND), -1):
        gap = text[words[near].end : words[near + 1].start]
        if any(mark in gap for mark in ".;!?"):
            return None
        pair = f"{words[near].lower} {words[near + 1].lower}"
        if entity := entity_of_label(pair) or entity_of_label(words[near].lower):
            return entity
    return None
