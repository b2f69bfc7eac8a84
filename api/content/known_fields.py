"""Names that an error may repeat though we do not take them where they were sent.

A key that nobody declared may be a patient's name, so it is repeated only
when it is here: fields of ours, of Anthropic's API and of the APIs that people
come from, where a bare name tells more than "an unknown field".
"""

_OURS = """
    acknowledge_phi_leaves alert_thresholds allowed_models allowed_scope_types allowed_tools anchor_day app_id authority
    capabilities consent_sha256 constraints conversation_id credit_cap credits_allotment default_expiry_hours
    default_model default_revocation_policy delegating_user email end_user entities expires_at failover_enabled fields
    filters grace_seconds granted_scopes ip_allowlist max_chain_depth max_concurrent_invocations max_tokens message
    messages metadata minimum_retention_days mode model name opus_enabled organization_name overlap_seconds owner
    phi_allow_terms phi_answers phi_deny_terms phi_entities phi_mode phi_profile phi_retrieval_behavior phi_threshold
    premium_models premium_models_enabled rate_limit reason restore_answers retention_days revocation_policy
    rollover_limit scopes signer spend_cap stop_sequences storage_mode store stream system temperature template_sha256
    thinking time_zone title to_agent_id to_role token tool_choice tool_id tools top_p unscannable
"""

_ANTHROPIC = """
    allowed_callers anthropic_beta anthropic_version betas billing_policy cache_control caller citations compaction
    container content context context_management data defer_loading description diagnostics
    disable_parallel_tool_use display eager_input_streaming effort enabled fallback_credit_token fallbacks file_id
    format id inference_geo input input_examples input_schema is_error max_tokens_to_sample mcp_servers media_type
    output_config output_format prompt schema service_tier signature source speed stop_reason stop_sequence strict
    text thread title tool_use_id toolset_name top_k transformations ttl type url usage user_id user_profile_id
    workspace_id
"""

_OPENAI = """
    annotations arguments audio background best_of call_id choices conversation detail echo encrypted_content
    file_data file_search filename frequency_penalty function function_call functions image_url include input_audio
    instructions json_schema logit_bias logprobs max_completion_tokens max_output_tokens max_tool_calls modalities n
    output parallel_tool_calls parameters prediction presence_penalty previous_response_id prompt_cache_key
    prompt_cache_retention reasoning reasoning_content reasoning_effort refusal response_format role safety_identifier
    seed stop stream_options suffix summary tool_call_id tool_calls top_logprobs truncation user verbosity
    web_search_options
"""

_OTHERS = """
    additional_model_request_fields chat_template_kwargs contents extra_body extra_headers generation_config
    generationConfig guardrail_config guided_json ignore_eos inference_config inferenceConfig keep_alive
    length_penalty max_new_tokens maxOutputTokens min_p min_tokens model_id modelId num_ctx num_predict options
    plugins preamble provider random_seed repeat_penalty repetition_penalty route safe_prompt safety_settings
    safetySettings skip_special_tokens stopSequences system_instruction systemInstruction thinking_config
    tool_config toolConfig topK topP transforms typical_p use_beam_search
"""

KNOWN_FIELDS = frozenset(f"{_OURS} {_ANTHROPIC} {_OPENAI} {_OTHERS}".split())
