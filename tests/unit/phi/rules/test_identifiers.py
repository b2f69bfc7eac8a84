"""Identifiers by the labels around them, and the codes and measurements that look like them."""

import pytest

from tests.unit.phi.rules.marked import leaks, shaped


@pytest.mark.parametrize(
    "marked",
    [
        "SSN <<123 45 6789>>, ssn <<123.45.6789>>, social <<123456789>>, SSN XXX-XX-<<1234>>, last four <<9981>>",
        "social security number ending in <<4471>>; soc sec # <<987-65-4321>>",
        "SS# <<123-45-6789>> , last 4 SSN <<7788>>, SSN (last 4): <<7788>>",
        "MRN is <<00123456>>. MR# <<12-34-56>>. Med Rec No. <<A1234567>>. Medical record #<<7788991>>",
        "MRN <<12 34 56 78>>, M.R.N. <<448812>>, Chart #<<C-1120>>, UR no <<445566>>",
        "<<00123456>> (MRN), <<77812234>> is her account number",
        "Hospital number <<H4471123>> Patient ID <<PT-00912>> pt id: <<991223>> EMPI <<100233441>>",
        "Acct No. <<8812-3345>> Acct# <<0099182>> HAR <<6001223>> account ending in <<4471>>",
        "Member ID - <<W123456789>>, Group: <<0071234>>, Policy # <<BCX 88 1234>>, subscriber no. <<XGH882133401>>",
        "Medicare <<1EG4-TE5-MK73>>, Medicaid ID <<AB12345C>>, MBI: <<1EG4 TE5 MK73>>",
        "Claim <<CLM-2024-88112>>, auth # <<A00998123>>, prior auth <<PA-77812>>, ICN <<2024031488123>>",
        "Accession: <<S24-01882>>, specimen <<24-BX-00812>>, CSN <<300112445>>, encounter no <<E-99812>>",
        "Rx# <<7788123-00>>, prescription number <<6612834>>",
        "NPI <<1234567893>>, DEA <<AB1234563>>, license <<MD-44812>>, RN license # <<RN334455>>, CA lic. <<A123456>>",
        "driver's license <<S123-4567-8901>>, DL <<D1234567>>, DL#: <<F255 9215 0094>>",
        "plate <<7ABC123>>, license plate: <<BIGDOG>>, tag <<KLM 4471>>, VIN <<1HGCM82633A004352>>",
        (
            "passport <<X1234567>>, passport no. <<533380006>>, badge <<4471>>, employee ID <<E00123>>, "
            "student ID# <<20231234>>"
        ),
        "UDI <<(01)00643169642819(17)270709(21)YCY097441D>> ; glucose meter SN <<GM-00482>>",
        (
            "Fingerprint template <<FP-00991-XA>>; voiceprint id <<vp_88a91c22>>; retinal scan ref <<RS88123>"
            ">; iris code <<IRX-4471-09>>"
        ),
        "study ID <<STU-0042>>; subject <<1042-003>>; case no. <<24-CV-00991>>; police report <<#24-00991>>",
        "zip <<83702>>; ZIP Code: <<83702-1234>>; Boise ID <<83702>>",
        "routing <<021000021>> account <<000123456789>>, IBAN <<DE89 3704 0044 0532 0130 00>>",
        "The patient's medical record number at our facility is <<4471882>> and her old one was <<0099-12>>.",
        "Her insurance is Blue Cross PPO, ID number <<XYZ 123 456 789>>, group <<88120-01>>.",
        "I'm Maria, my social is <<123-45-6789>> and my birthday's <<3/14/52>>.",
        "his ssn's last four digits are <<4471>>; ssn ending <<4471>>; SSN: ***-**-<<4471>>; SSN xxx xx <<4471>>",
        "The ICD (Medtronic Evera, serial number <<BWI204471S>>) fired on <<12/25>> at 3am.",
        "Employer ID (EIN) <<12-3456789>>; tax ID: <<98-7654321>>; ITIN <<912-70-1234>>",
        "Ambulance run number <<24-018823>>, police report no. <<2024-00123>>, trooper badge no. <<1182>>",
        "Car: 2019 Honda Civic, plate <<ABC-1234>> (MA), VIN: <<1HGCM82633A123456>>, reg. <<7XYZ99>>",
        "NY driver license <<123 456 789>>; FL DL <<L123-456-78-901-0>>; CA DL <<A1234567>>; WA <<WDL4471A82B>>",
        (
            "State medical license no. <<G88123>>, DEA number <<FL1234563>>, NPI#<<1093817465>>, pharmacist "
            "lic <<RPH-44712>>"
        ),
        "Her patient portal username is <<mlopez1952>> and login ID <<ML44712>>",
        (
            "Retina scan template <<RT-2024-0091-B>> and palm vein ID <<PV 88 4412>> stored. Face template "
            "hash <<a91c-88f0-4471>>"
        ),
        "Visit no: <<V-2024-8812>>  Encounter: <<3344556677>>  Order ID: <<ORD00881>>  Req# <<R8812>>",
        "Pathology case <<SP-24-01882>>, slide <<A1-24-01882>>, biopsy no. <<B24-881>>, cytology <<C24-0091>>",
        "Specimen barcode <<*2400991123*>> tube no <<T-88123>>",
        "Claim #: <<2024 0314 8812 01>>; DCN <<24073-00123>>; Precert ref: <<PRE7712>>; Appeal No: <<APL-20881>>",
        "Trial subject <<101-0042>>, randomization no. <<R-1182>>, screening number <<S-0042>>, site 12",
        (
            "Immigration A-number <<A 088 123 456>>; visa no <<20241234567890>>; green card <<SRC2190012345>>"
            "; passport number is <<C01X00T47>>"
        ),
        (
            "insurance card: BIN <<004336>> Grp <<RX8812>> Member <<JQU 554 88 1234>> Medicare no. "
            "<<1EG4-TE5-MK72>> HICN <<123-45-6789-A>>"
        ),
        "Telephone encounter <<2/3/24>> 09:12 - caller verified with DOB <<03-14-1952>> & last 4 of SSN (<<4471>>).",
        (
            "D.O.B.: <<14/Mar/1952>>  Adm.: <<02/03/24>>  D/C: <<02.07.24>>  MR #: <<000-44-71>>  Acct.#: "
            "<<V00012345678>>  Loc: 4W"
        ),
        (
            "PT: LOPEZ,MARIA  MR#<<M000447112>> ACCT#<<H00099812345>> DOB:<<03/14/52>> AGE/SX:<<92>>/F "
            "ROOM:412 REG:<<03/01/24>>"
        ),
        "Lopez, Maria (MRN <<E4471882>>) DOB: <<3/14/1952>> Encounter date: <<03/18/2024>> CSN: <<100239981>>",
        (
            "Study: CT ABD, ACC <<7788123>>, exam <<18-MAR-2024>>, compare <<11/2/2023>>. Dictated <<3/18/24>"
            "> T: <<03/19/24>>"
        ),
        "Job #<<4471882>> DD: <<03/18/2024>> DT: <<03/19/2024>> cc: Dr. Kim, fax <<(617) 555-0177>>",
        "Document ID: <<DOC-0099123>>; Note ID <<8812347712>>; Version 3; Page 1 of 2",
        "Ins: Aetna HMO, ID# <<W1234 56789>>, Grp# <<0887766-010-00001>>,",
        "Claim control number <<20240318000123>>; check number <<0088123>>; EOB # <<E99123>>; HSA acct <<****4471>>",
        "Medigap policy <<MG-88-1234-7>>; VA file number <<C-12345678>>; Tricare sponsor SSN <<123-45-6789>>",
        (
            "Workers comp claim <<WC-2024-00991>>, DOI <<1/9/24>>, carrier ref <<99-1234567>>, NCM phone "
            "<<800.555.0144 x7712>>"
        ),
        "Implant: Zimmer Biomet REF <<00-5750-012-02>> LOT <<63448812>> SN <<A4471-09>> EXP 2028-04-30",
        "Insulin pump Tandem t:slim SN <<881234>>; Libre sensor <<0M0012ABCD>>; walker asset tag <<DME-00912>>",
        "Drone photo at <<40.712776,-74.005974>>; home coordinates lat <<40.7128>> lon <<-74.0060>>",
        "user <<maria.lopez52>> posted as <<@maria_lopez52>> on X; TikTok: <<@mlopezfights>>; snap <<mlopez_52>>",
        "Zoom meeting ID <<881 2344 7712>> passcode <<887123>>; portal access code <<7XK-9PQ-22L>>; PIN <<4471>>",
        (
            "Apple ID <<maria.lopez52@icloud.com>>, device UDID <<00008101-000A44713C12001E>>, Android ID "
            "<<9774d56d682e549c>>"
        ),
        "Last login IP=<<198.51.100.23>>; MAC=<<3c:22:fb:44:71:88>>; IPv6 <<2607:f8b0:4004:c07::71>>",
        "Recording: voice_<<20240318>>_1412.wav; consent_<<2024-03-18>>.pdf",
        (
            "Dear Ms. Lopez, your appointment on <<Thursday, April 4, 2024>> at 2 PM (confirmation <<K7PX22>>"
            ") is confirmed. Call <<1 (800) 555-0144>>."
        ),
        (
            "Your one-time code; order <<#A-00912-7>>; tracking <<9400 1112 0255 5512 3456 78>>; invoice "
            "<<INV-2024-0312>> due <<4/15>>."
        ),
        "OSHA log: employee no. <<E-4471>>, DOH <<06/2011>>, incident # <<2024-17>>, supervisor ext <<5512>>",
        "Custody: case # <<FL-24-001234>>, bar no. <<SBN 288123>>, booking # <<24-08812>>, warrant <<WA2400123>>",
        "School ID <<0044712>>, lunch PIN <<88123>>, bus 12, grade 7. IEP dated <<9/12>>.",
        "Passport <<AB1234567>> (UK), NHS no <<943 476 5919>>, NI number <<QQ 12 34 56 C>>, SIN <<046 454 286>>",
        "Residence permit <<L01X00T47>>, Aadhaar <<2341 2341 2341>>, CURP <<LOMM520314MDFPRR09>>",
        "Organ donor ID <<UNOS-AKB4471>>; registry # <<R000123>>; NMDP <<1234-5678-9>>",
        "Rx: Eliquis 5 mg #60, Rx# <<0771234-04412>>, DEA# <<BK4471123>>, lic# <<A88123>>, filled <<03/01>>",
        "Genetic report <<GX-2024-0912>>, kit barcode <<60-4471-8812-3>>, order <<R24-0018>>: BRCA2 c.5946delT",
    ],
)
def test_labelled_identifiers_are_hidden_whole(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "text",
    [
        (
            "ICD-10 E11.9, I10, J45.909; CPT 99213-25, 93000; HCPCS J1885; LOINC 2345-7; NDC 0093-7424-56; "
            "SNOMED 44054006."
        ),
        "PMID 31234567, doi 10.1056/NEJMoa2034577, arXiv 2103.01234, NCT04368728.",
        "Variants: c.1521_1523delCTT, p.Arg117His, rs113993960, BRCA1 185delAG, chr7:117199644.",
        "Python 3.11.4, numpy==1.26.4, node v18.17.0, Postgres 15.3; error 1045; port 5432; HTTP 503.",
        (
            "UUID 8f14e45f-ceea-467f-a8b6-1d9b1f8ca0aa; commit 3f786850e387550fdab836ed7e6dc881de23001b; "
            "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        ),
        "It costs $1,200.50 or 15-20% of \u20ac3000. 1:10,000 dilution, ratio 3:1, 0.9% saline, 1,000 mL.",
        "14 Fr Foley, 18G IV, size 7.5 ETT, 5-0 Vicryl, 22 gauge.",
        "Room air sat 94. Blood type A+, O negative. CO2 24, Na 138, WBC 12.4, plt 250.",
        "Take 500 mg every 8 hours for 7-10 days. 98 patients were enrolled, 1,024 screened.",
        'def test(): x = 12345; y = "2.3.4"; assert f(100) == 94',
        "Timeout after 30000 ms on line 1234 of file main.py; pid 4471; exit code 137.",
        "Meet at 10:30 am, 14:00, 0700; q4h; 24/7 line; 9-1-1 or 988.",
        "#112233 is a colour; issue #1234; PR #5678; step #3; Table 12; Figure 4-2; page 1023; chapter 12.",
        "Normal range 70-99 mg/dL; 3.5-5.0 mmol/L; GFR 60-89; A1c 6.5-7.0; TSH 0.4-4.0.",
        (
            "HLA-B27, CD4 count 350, HER2 3+, Ki-67 20%, IL-6, TNF-alpha, COVID-19, SARS-CoV-2, H1N1, T2DM, "
            "C5-C6, L4-L5, S1."
        ),
        "Gleason 3+4=7, T2N1M0, FIGO IIIC, ECOG 1, NYHA III, CHA2DS2-VASc 4, MELD 22, ASA 3.",
        "SELECT * FROM visits WHERE status = 'closed' AND count > 1000 LIMIT 50;",
        '{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}',
        '{"model": "gpt-4o-mini", "max_tokens": 4096, "temperature": 0.7, "name": "get_weather"}',
        "Lisinopril 10 mg daily #30 refills 3; metoprolol 25mg #60; dispense 90 tablets.",
        "TSH 1.23 (0.45-4.50), B12 345 (211-946), ferritin 98 (15-150), vitamin D 25-OH 31.",
        "In 2020-2021 there were 12,345 cases; 10,000 tests; n=4471; p=0.0312; CI 1.02-1.99; OR 1.45.",
        "ISBN 978-3-16-148410-0; RFC 2616; ISO 8601; CVE-2021-44228; PMID: 31978945; PMC7092803.",
        "Use port 5432, timeout 30000, chunk_size=8192, id=1, user_id INTEGER, retries: 3, batch 1024.",
        (
            "CPT 99214, HCPCS G0439, ICD-10-CM Z79.4, S72.001A; DRG 470; NDC 00093-7424-56; RxNorm 314076; "
            "CVX 208; LOINC 4548-4."
        ),
        "for i in range(1000): print(i); x[12345]; #ff5733; 0xDEADBEEF; 1e-5; 3.14159; 2**32; v2.10.3-rc1",
        (
            "Order a CBC, CMP, and TSH. Group 1 had 45 patients; model 3 had 4 parameters; unit 2; room 12; "
            "bed 3; floor 4."
        ),
        "Stage IV, cycle 3 day 1, dose level 2; C3-C4; L5-S1; T12 fracture; 5th metatarsal; 2nd digit; 3rd trimester.",
        "Explain the 4-2-1 rule; the 3-day window; 5-HT3; 17-OHP; 25-hydroxy; HbA1c 48 mmol/mol; 1,25-OH.",
        "Catheter 16 Fr, 30 mL balloon; needle 25G x 5/8 inch; ETT 7.5; suture 3-0 nylon; stent 3.0 x 18 mm.",
        "aspirin 81, lisinopril 20, metformin 1000 BID, insulin glargine 40 units, levothyroxine 112 mcg.",
        "ERROR 1146 (42S02): Table 'db.patients' doesn't exist; exit status 137; SIGKILL 9; HTTP/1.1 404",
        "BRAF V600E, EGFR L858R, KRAS G12D, JAK2 V617F, MTHFR C677T, TP53 R175H, HLA-DQ2, t(9;22), del(17p), 46,XX.",
        "Compare apixaban 2.5 mg vs 5 mg in patients over 80 with Cr 1.5-2.0; CHADS2 3; HAS-BLED 2.",
        "List 10 causes of anion gap acidosis. AG = 140 - (104 + 12) = 24. Delta 12/12.",
        "Interpret: pH 7.31/pCO2 52/pO2 68/HCO3 26, FiO2 0.4, PEEP 8, PIP 22, TV 450, RR 14.",
        "RxNorm 860975, SNOMED CT 73211009, ICD-10-CM E11.65, CPT 99495, HCPCS L1833, LOINC 718-7, CVX 140.",
        "In RCT NCT03036124 (n=4,744), HR 0.74 (95% CI 0.65-0.85; p<0.001), NNT 21, follow-up 18.2 months.",
        "Write a Python regex for phone numbers like ddd-ddd-dddd and dates like MM/DD/YYYY or YYYY-MM-DD.",
        "const x = arr.slice(0, 10); setTimeout(fn, 5000); res.status(404); port = process.env.PORT || 3000;",
        "git commit 3f78685; Merge pull request #1234; v1.2.3; semver ^18.2.0; TypeError at line 42, column 17.",
        "Excel: =SUM(A1:A100), B2:D14, $C$5; VLOOKUP(A2,Sheet1!A:B,2,0). Cell AB1234.",
        "The 1918 flu; the 1970s; since 2019; 2020-21; Q3 2023; FY24; 21st century; 19th-century.",
        "Class of 2020; Windows 11; iPhone 15; Boeing 747; Route 66; Area 51; 3M N95; WD-40; CO2; H2O; PM2.5.",
        (
            "Section 1557, 42 CFR 482.13, 45 CFR 164.514(b)(2), Title 21, 21 CFR Part 11, HIPAA 1996, Form "
            "1099, W-2, 401(k)."
        ),
        "Call 911 or 988. Poison control 1-800-222-1222. CPT modifiers -25, -59. Medicare Part B covers 80%.",
        "ASA 81 mg, KCl 20 mEq, D5W 1 L, NS 500 mL bolus, PRBC 2 units, FFP 4 U, 22G x 1 in, 10 cc.",
        "Schedule: Mon-Fri 9-5, Sat 10-2; every 3-4 weeks; visit 2 of 6; week 12; day 28; month 6; hour 0, 24, 48.",
        'JSON: {"id": 1, "status": 200, "count": 1500, "version": "2.0", "timestamp": 1718000000}',
        "Chromosome 22q11.2, 47,XXY, 5q-, t(15;17), rs1801133, NM_000492.3:c.1521_1523del, NP_000483.3.",
        "Patient education: drink 8-10 glasses/day, walk 30 min x 5/wk, sodium <2,300 mg, 1,800 kcal, BMI 25-29.9.",
        "Vent: AC 16/450/40%/5. Tube 7.5 @ 22 cm. UOP 30 cc/h. I/O 2400/1800. Wt 94.5 kg (98 yesterday).",
    ],
)
def test_codes_doses_variants_and_versions_stay(text: str) -> None:
    assert shaped(text) == []
