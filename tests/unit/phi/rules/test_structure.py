"""Values that keys, columns, elements and HL7 fields type."""

import pytest

from tests.unit.phi.rules.marked import certain, kinds, leaks


@pytest.mark.parametrize(
    "marked",
    [
        (
            "| Name | MRN | DOB | Phone | ZIP |\n|---|---|---|---|---|\n| Maria Lopez | <<A-4471>> | <<March "
            "14, 1952>> | <<617-555-0199>> | <<02139>> |"
        ),
        "mrn\tdob\tmember_id\n<<4471>>\t<<1952-03-14>>\t<<W99>>\n<<4472>>\t<<1953-03-14>>\t<<W98>>",
        "id;first_name;last_name;dob;zip\n1;<<Maria>>;<<Lopez>>;<<14.03.1952>>;<<02139>>",
        (
            '"last_name","first_name","dob","ssn","zip"\n"<<Lopez>>","<<Maria>>","<<3/14/52>>","<<123456789>>'
            '","<<02139>>"'
        ),
        (
            "MSH|^~\\&|ADT|HOSP|EHR|HOSP|<<20240314102233>>||ADT^A01|MSG00001|P|2.5\nPID|1|<<PT4471>>|"
            "<<00123456>>^^^HOSP^MR||<<LOPEZ^MARIA^J>>||<<19520314>>|F||2106-3|<<12 CALLE LUNA>>^<<APT 4>>"
            "^<<BOSTON>>^MA^<<02139>>^USA||<<(617)555-0199>>|<<6175550133>>||S||<<88123345>>|<<123456789>>|"
            "<<S1234567>>^MA\nNK1|1|<<LOPEZ^JUAN>>|SPO|<<12 CALLE LUNA>>^^<<BOSTON>>^MA^<<02139>>|"
            "<<6175550144>>\nPV1|1|I|ICU^12^A|||| <<1234567893^SMITH^JOHN^A>>|||MED||||||||<<V0099812>>\nIN1|"
            "1|<<BCBS01>>|<<991223>>|BLUE CROSS|PO BOX 1^^BOSTON^MA^<<02139>>||<<8005551212>>|<<GRP7712>>\n"
            "OBR|1|<<ORD4471>>|<<FIL99812>>|80053^CMP^CPT|||<<20240314>>|||||||||<<1234567893^SMITH^JOHN>>\n"
            "OBX|1|NM|2345-7^Glucose^LN||112|mg/dL|70-99|H|||F|||<<20240314>>"
        ),
        (
            '{"resourceType":"Patient","id":"example","identifier":[{"system":"urn:mrn","value":"<<00123456>>'
            '"}],"name":[{"use":"official","family":"<<Lopez>>","given":["<<Maria>>","<<J>>"]}],'
            '"telecom":[{"system":"phone","value":"<<617-555-0199>>"}],"gender":"female",'
            '"birthDate":"<<1952-03-14>>","address":[{"line":["<<12 Calle Luna>>","<<Apt 4>>"],'
            '"city":"<<Boston>>","postalCode":"<<02139>>"}]}'
        ),
        (
            '{"msg":"{\\"patient\\":{\\"name\\":\\"<<Maria Lopez>>\\",\\"mrn\\":\\"<<4471-22>>\\",\\"dob\\":'
            '\\"<<1952-03-14>>\\",\\"zip\\":\\"<<02139>>\\",\\"ssn\\":<<123456789>>}}"}'
        ),
        (
            "<patient><name><given><<Maria>></given><family><<Lopez>></family></name><birthTime "
            'value="<<19520314>>"/><id root="2.16.840.1.113883.4.1" extension="<<123456789>>"/><addr>'
            "<streetAddressLine><<12 Calle Luna>></streetAddressLine><city><<Boston>></city><postalCode>"
            '<<02139>></postalCode></addr><telecom value="tel:<<+1-617-555-0199>>"/></patient>'
        ),
        (
            '<Patient><identifier><value value="<<00123456>>"/></identifier><name><family value="<<Lopez>>"/>'
            '<given value="<<Maria>>"/></name><birthDate value="<<1952-03-14>>"/></Patient>'
        ),
        (
            "INSERT INTO patients (mrn, first_name, last_name, dob, zip) VALUES ('<<4471>>', '<<Maria>>', "
            "'<<Lopez>>', '<<1952-03-14>>', '<<02139>>'), ('<<4472>>', '<<Juan>>', '<<Lopez>>', '<<1953-03-14"
            ">>', '<<02138>>');"
        ),
        "SELECT * FROM patients WHERE mrn = <<4471882>> AND dob = '<<1952-03-14>>' AND last_name LIKE '<<Lopez%>>';",
        (
            "patient:\n  name: Maria Lopez\n  mrn: <<00123456>>\n  dob: <<1952-03-14>>\n  phone: "
            "<<617-555-0199>>\n  zip: <<02139>>\n  member_id: <<W1234>>"
        ),
        (
            "2024-03-14 10:22:33 INFO patient_id=<<4471882>> user=jsmith ip=<<10.4.5.6>> dob=<<1952-03-14>> "
            "GET /patients/<<00123456>>/chart?ssn=<<123456789>>&zip=<<02139>>"
        ),
        (
            "From: Maria Lopez <<<maria@example.org>>>\nTo: <<help@clinic.org>>\nDate: Thu, <<14 Mar 2024>> "
            "10:22:33 -0500\nMessage-ID: <<<88123.4471@mail.example.org>>>\nX-Originating-IP: [<<203.0.113.45"
            ">>]"
        ),
        "Patient: Maria Lopez   MRN: <<00123456>>   DOB: <<03/14/1952>>   Room: 412   Attending: Smith",
        "City: Boston\nZip: <<02139>>\nNotes: fell on <<3/14>>.\nEmergency contact: Juan, <<617-555-0144>> (cell)",
    ],
)
def test_values_are_hidden_by_what_their_keys_say(marked: str) -> None:
    assert leaks(marked) == []


def test_hl7_fields_are_typed_by_their_place() -> None:
    text = "PID|1||88417706^^^A^MR||OKAFOR^CHIDI^B||19800402|M|||12 Calle Luna^^Boise^ID^83702||208-555-0147"
    assert [kind for _, kind in kinds(text)] == [
        "MEDICAL_RECORD_NUMBER", "PERSON", "DATE_TIME", "STREET_ADDRESS", "LOCATION", "US_ZIP", "PHONE_NUMBER",
    ]  # fmt: skip


def test_claims_in_x12_are_read_by_the_place_of_their_elements() -> None:
    text = (
        "NM1*IL*1*LOPEZ*MARIA****MI*W123456789~N3*12 CALLE LUNA~N4*PONCE*PR*00716~DMG*D8*19520314*F~REF*SY*123456789~"
    )
    assert [kind for _, kind in kinds(text)] == [
        "PERSON", "PERSON", "HEALTH_PLAN_ID", "STREET_ADDRESS", "LOCATION", "US_ZIP", "DATE_TIME", "OTHER_ID",
    ]  # fmt: skip


def test_calendar_entries_hide_their_times() -> None:
    assert [kind for _, kind in kinds("DTSTART:20260314T100000Z")] == ["DATE_TIME"]


def test_a_street_is_told_from_a_town() -> None:
    text = '{"patient": {"street": "45 Calle Luna", "city": "Ponce"}}'
    assert kinds(text) == [("45 Calle Luna", "STREET_ADDRESS"), ("Ponce", "LOCATION")]


def test_a_date_with_a_comma_does_not_shift_the_columns_of_a_row() -> None:
    text = "name,dob,mrn,zip\nCandra Simbolon,Mar 2, 1949,1542058,55316"
    assert kinds(text)[-2:] == [("1542058", "MEDICAL_RECORD_NUMBER"), ("55316", "US_ZIP")]


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}',
        '{"name": "get_weather", "max_tokens": 4096}',
        '{"name": "express-session", "version": "1.17.3", "author": "none"}',
        "name,type,default\nid,integer,none\ntitle,text,none",
        "OBX|1|NM|2345-7^Glucose^LN||112|mg/dL|70-99|H",
    ],
)
def test_schemas_and_lab_values_stay(text: str) -> None:
    assert certain(text) == []


def test_the_last_field_of_a_message_ends_with_its_line() -> None:
    text = "PID|1||55^^^X||LOPEZ^MARIA||19800101|F|||1 Main St^^Dayton^OH^26106\nCard 4111 1111 1111 1111 ok"
    assert kinds(text)[-2:] == [("26106", "US_ZIP"), ("4111 1111 1111 1111", "CREDIT_CARD")]
